"""Which classes are taken for which, and what that means for each class.

    Matthews = (h n - s t) / sqrt((n n - s s) (n n - t t))

is the correlation of labels and predictions: n images, h of them found, s and t the counts by class as labels and as
predictions. 1 is all right, 0 no better than chance whatever the classes' shares; 0 too where either is of one class
alone, as scikit-learn has it. Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation
coefficient", 2004.
"""

import math
from dataclasses import dataclass

import numpy as np


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts int64 (K, K): row i, column j is how many images of class i were taken for class j."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class ClassScores:
    """One number a class, (K,) each. A share of nothing counts as 0, as scikit-learn has it by default.

    precision: of the images taken for the class, the share that are of it; recall: of its images, the share that was
    found; f1: their harmonic mean; support: its images.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def class_scores(confusion: np.ndarray) -> ClassScores:
    """Return the scores of every class of a confusion matrix."""
    return scores_of(np.diag(confusion), confusion.sum(1), confusion.sum(0))


def scores_of(hits: np.ndarray, support: np.ndarray, taken: np.ndarray) -> ClassScores:
    """Return the scores of classes, from counts (K,): images found, images of the class, images taken for it."""
    return ClassScores(share(hits, taken), share(hits, support), share(2 * hits, support + taken), support)


class Counts:
    """What F1 and Matthews need of a confusion matrix, batch by batch: its diagonal, its sums of rows and columns."""

    def __init__(self, classes: int) -> None:
        self.hits, self.support, self.taken = np.zeros((3, classes), np.int64)

    def update(self, labels: np.ndarray, predicted: np.ndarray) -> None:
        """Add images. Both: (N,), below the number of classes."""
        counts, right = (self.hits, self.support, self.taken), labels[labels == predicted]
        for count, classes in zip(counts, (right, labels, predicted), strict=True):
            count += np.bincount(classes, minlength=len(count))

    def merge(self, other: "Counts") -> None:
        """Add what another one saw."""
        self.hits += other.hits
        self.support += other.support
        self.taken += other.taken

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur, as labels or as predictions; NaN where none does."""
        occurs = self.support + self.taken > 0
        f1 = scores_of(self.hits, self.support, self.taken).f1
        return float(f1[occurs].mean()) if occurs.any() else float("nan")

    @property
    def matthews(self) -> float:
        """The correlation of labels and predictions, -1 to 1; NaN without an image."""
        total, s, t = int(self.support.sum()), self.support, self.taken
        spreads = (total**2 - int(s @ s), total**2 - int(t @ t))  # Python's numbers: their product outgrows int64
        together = int(self.hits.sum()) * total - int(s @ t)
        if not total:
            return float("nan")
        return together / math.sqrt(spreads[0] * spreads[1]) if all(spreads) else 0.0


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where both are 0."""
    return part / np.maximum(whole, 1)


def top_confusions(confusion: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """Return (class, taken for, images) of the largest entries off the diagonal, the largest first."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [(int(i), int(j), int(wrong[i, j])) for i, j in zip(rows, columns, strict=True) if wrong[i, j]]
