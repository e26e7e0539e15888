"""How well masks agree, over all pixels of a data set: counts of classes taken for others, and a mean loss."""

from dataclasses import dataclass

import numpy as np

from ft.metrics.confusion import confusion_of

LEFT_OUT = 255  # in masks: a pixel whose class does not count


@dataclass(frozen=True)
class PixelScores:
    """What a confusion matrix (K, K) of pixels says; NaN for a class that occurs neither as truth nor as prediction.

    iou: pixels that both call the class / pixels that either does, (K,); dice: 2 iou / (1 + iou); recall: of the pixels
    of the class, the share that was found.
    """

    iou: np.ndarray
    dice: np.ndarray
    recall: np.ndarray
    support: np.ndarray

    @property
    def mean_iou(self) -> float:
        """The mean over the classes that occur; NaN where none does."""
        known = self.iou[~np.isnan(self.iou)]
        return float(known.mean()) if len(known) else float("nan")


def pixel_scores(confusion: np.ndarray) -> PixelScores:
    """Return the scores of a confusion matrix, rows the truth."""
    hits, truth, taken = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    with np.errstate(invalid="ignore"):
        return PixelScores(hits / (truth + taken - hits), 2 * hits / (truth + taken), hits / truth, truth)


def pixel_confusion(masks: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts int64 (K, K): pixels of class i taken for class j. Both of one shape; 255 in masks is left out."""
    counted = masks != LEFT_OUT
    return confusion_of(masks[counted], predicted[counted], classes)


def pixel_losses(logits: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of every pixel that counts, float64 (pixels,). logits (N, H, W, K), masks (N, H, W)."""
    counted = masks != LEFT_OUT
    scores, labels = logits[counted].astype(np.float64), masks[counted].astype(np.int64)
    if not len(labels):
        return np.zeros(0)
    highest = scores.max(1)
    own = scores[np.arange(len(labels)), labels]
    with np.errstate(invalid="ignore"):  # inf - inf: the loss is NaN and says so itself
        return highest - own + np.log(np.exp(scores - highest[:, None]).sum(1))


class PixelCounts:
    """The confusion matrix and the loss of a split, batch by batch; nothing of a single picture is kept."""

    def __init__(self, classes: int) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        self.count, self._loss = 0, 0.0

    def update(self, logits: np.ndarray, masks: np.ndarray) -> None:
        """Add pictures: logits (N, H, W, K), masks (N, H, W)."""
        self.confusion += pixel_confusion(masks, logits.argmax(-1), len(self.confusion))
        self._loss += float(pixel_losses(logits, masks).sum())
        self.count += len(masks)

    def merge(self, other: "PixelCounts") -> None:
        """Add what another one saw."""
        self.confusion += other.confusion
        self._loss += other._loss
        self.count += other.count

    @property
    def pixels(self) -> int:
        """The pixels that count."""
        return int(self.confusion.sum())

    @property
    def loss(self) -> float:
        """The mean cross-entropy of the pixels in nats."""
        return self._loss / self.pixels if self.pixels else float("nan")

    @property
    def accuracy(self) -> float:
        """The share of the pixels whose class has the highest logit."""
        return float(np.trace(self.confusion)) / self.pixels if self.pixels else float("nan")
