"""What is measured where an image may have any number of labels: each class is a yes or no, a yes above one half.

    AP of a class = sum over n of (R_n - R_(n-1)) * P_n

P_n and R_n are precision and recall of the images whose score is among the n highest different ones; images of equal
score come in together. It is scikit-learn's `average_precision_score`: a sum, not an interpolated area. mAP is the mean
over the classes that have an image.
"""

from typing import Literal

import numpy as np

from ft.metrics.confusion import ClassScores, scores_of

# see ft/data/sources/dataset.py; "instances" are boxes with masks, "keypoints" boxes with these
Labels = Literal["one", "sets", "either", "masks", "boxes", "instances", "keypoints", "numbers", "tags", "none"]
BETWEEN = "|"  # two labels in a cell of a CSV
THRESHOLD = 0.5  # of a probability, above which the answer is yes


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the probability of a yes for each class, float64. logits: (N, K)."""
    half = 0.5 * logits.astype(np.float64)
    return 0.5 * (1 + np.tanh(half))


def binary_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over images and classes, in nats, NaN without an image. logits, labels of 0 or 1: (N, K)."""
    x, y = logits.astype(np.float64), labels.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf * 0: the loss is NaN and says so itself
        losses = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    return float(losses.mean()) if losses.size else float("nan")


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the AP of one class, NaN where no image is of it. truth: bool (N,); scores: (N,), a NaN ranks last."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # of the images of one score
    taken, hits = np.flatnonzero(last) + 1, np.cumsum(truth[order])[last]
    if not len(taken) or not hits[-1]:
        return float("nan")
    return float((np.diff(hits, prepend=0) * hits / taken).sum() / hits[-1])


def average_precisions(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the AP of every class, (K,), NaN for those without an image. labels of 0 or 1, logits: (N, K)."""
    return np.array([average_precision(labels[:, k] > 0, logits[:, k]) for k in range(labels.shape[1])])


def mean_of_known(values: np.ndarray) -> float:
    """Return the mean of what is not NaN, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def set_scores(labels: np.ndarray, predicted: np.ndarray) -> ClassScores:
    """Return precision, recall and F1 of every class. labels, predicted: bool (N, K)."""
    return scores_of((labels & predicted).sum(0), labels.sum(0), predicted.sum(0))


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 of the classes that occur, as labels or as predictions; NaN where none does."""
    return mean_of_known(np.where((labels | predicted).any(0), set_scores(labels, predicted).f1, np.nan))


def exact_match(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of images whose every yes and no is right, NaN without an image. Both: bool (N, K)."""
    return float((labels == predicted).all(1).mean()) if len(labels) else float("nan")
