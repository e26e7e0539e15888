"""Whether a network is right as often as it says: the reliability diagram and the expected calibration error.

    ECE = sum over bins of (images in the bin / images) * |accuracy of the bin - mean probability of the bin|

over 15 bins of equal width of the predicted class's probability, each without its lower and with its upper end.
Source: Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """One number a bin, (BINS,) each; accuracy and confidence are NaN in an empty one."""

    count: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def ece(self) -> float:
        """The expected calibration error, NaN without an image or with a probability that is NaN."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        total = self.count.sum()
        return float((gaps * self.count[filled]).sum() / total) if total else float("nan")


class Calibrator:
    """The bins of images, batch by batch: two sums and a count each."""

    def __init__(self) -> None:
        self.count = np.zeros(BINS, np.int64)
        self.sums = np.zeros((2, BINS))  # of right ones, and of probabilities

    def update(self, probability: np.ndarray, right: np.ndarray) -> None:
        """Add images. probability: of the predicted class, (N,); right: whether it was right, bool (N,)."""
        probability = np.asarray(probability, np.float64)
        place = np.clip(np.ceil(np.nan_to_num(probability) * BINS).astype(int) - 1, 0, BINS - 1)
        self.count += np.bincount(place, minlength=BINS)
        for total, values in zip(self.sums, (np.asarray(right, np.float64), probability), strict=True):
            np.add.at(total, place, values)  # one after the other, so batches make no difference

    def merge(self, other: "Calibrator") -> None:
        """Add what another one saw."""
        self.count += other.count
        self.sums += other.sums

    @property
    def reliability(self) -> Reliability:
        """What the bins say."""
        return Reliability(self.count, *(self.sums / np.where(self.count, self.count, np.nan)))


def reliability_of(probability: np.ndarray, right: np.ndarray) -> Reliability:
    """Return the bins of images. probability: of the predicted class, (N,); right: whether it was right, bool (N,)."""
    calibrator = Calibrator()
    calibrator.update(probability, right)
    return calibrator.reliability
