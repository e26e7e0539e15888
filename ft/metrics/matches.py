"""Which detection is which box of a picture, in one way for counts, confusions and drawings.

The detections of at least a score, best first, each take the box of largest IoU, of at least one half, that none took
before: of their own class where there is one, else of another. One that lies on what is set aside, and on nothing else,
is left out.
"""

from typing import NamedTuple

import numpy as np

from ft.metrics.boxes import iou
from ft.metrics.detection import SIZES, Found, Truth, size_of

SURE, OVERLAP = 0.5, 0.5  # the score from which a detection counts, and the IoU from which it is a box


class Matches(NamedTuple):
    """One picture: the detections that count and the boxes that do, by their numbers in it.

    said: int64 (S,), detections; of: int64 (S,), the box that each is, -1 for none; boxes: int64 (B,), those that are
    not set aside.
    """

    said: np.ndarray
    of: np.ndarray
    boxes: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """The boxes that no detection is, int64."""
        return self.boxes[~np.isin(self.boxes, self.of)]


def match(truth: Truth, detections: Found, score: float = SURE) -> Matches:
    """Return which detection is which box."""
    order = np.argsort(-detections.scores, kind="stable")
    order = order[detections.scores[order] >= score]
    overlap = iou(detections.corners[order], truth.corners)
    free, said, of = ~truth.aside, [], []
    for row, n in zip(overlap, order.tolist(), strict=True):
        near = (row >= OVERLAP) & free
        own = near & (truth.classes == detections.classes[n])
        fits = own if own.any() else near
        best = int(np.where(fits, row, -1.0).argmax()) if fits.any() else -1
        if best < 0 and (row[truth.aside] >= OVERLAP).any():
            continue
        if best >= 0:
            free[best] = False
        said.append(n)
        of.append(best)
    return Matches(np.array(said, np.int64), np.array(of, np.int64), np.flatnonzero(~truth.aside))


class Outcome(NamedTuple):
    """The counts of one picture: boxes, detections that count, right ones, boxes missed, false detections.

    A detection that is a box of another class is false, and its box is missed.
    """

    boxes: int
    found: int
    right: int
    missed: int
    false: int

    @classmethod
    def of(cls, truth: Truth, detections: Found, matches: Matches) -> "Outcome":
        """Return the counts of matches."""
        hit = matches.of >= 0
        right = int((detections.classes[matches.said[hit]] == truth.classes[matches.of[hit]]).sum())
        boxes, said = len(matches.boxes), len(matches.said)
        return cls(boxes, said, right, boxes - right, said - right)


def confusion(truth: Truth, detections: Found, matches: Matches, classes: int) -> np.ndarray:
    """Return counts int64 (K + 1, K + 1): boxes of class i that are said to be j; last: no box, and nothing said."""
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    rows = np.where(matches.of >= 0, truth.classes[matches.of] if len(truth.classes) else classes, classes)
    np.add.at(counts, (rows, detections.classes[matches.said]), 1)
    np.add.at(counts[:, classes], truth.classes[matches.missed], 1)
    return counts


def false_by_size(truth: Truth, detections: Found, matches: Matches, classes: int) -> np.ndarray:
    """Return counts int64 (K, 3) of detections that are not what they are said to be, by class and size."""
    counts, hit = np.zeros((classes, len(SIZES)), np.int64), matches.of >= 0
    right = np.zeros(len(hit), np.bool_)
    right[hit] = truth.classes[matches.of[hit]] == detections.classes[matches.said[hit]]
    wrong = matches.said[~right]
    np.add.at(counts, (detections.classes[wrong], size_of(detections.corners[wrong])), 1)
    return counts


def missed_by_size(truth: Truth, detections: Found, matches: Matches, classes: int) -> np.ndarray:
    """Return counts int64 (2, K, 3) by class and size: boxes, and those of them that are not found as what they are."""
    counts = np.zeros((2, classes, len(SIZES)), np.int64)
    hit = matches.of >= 0
    right = matches.of[hit][truth.classes[matches.of[hit]] == detections.classes[matches.said[hit]]]
    sizes = size_of(truth.corners)
    np.add.at(counts[0], (truth.classes[matches.boxes], sizes[matches.boxes]), 1)
    lost = matches.boxes[~np.isin(matches.boxes, right)]
    np.add.at(counts[1], (truth.classes[lost], sizes[lost]), 1)
    return counts
