"""Which object a box is to find, by overlap. Source: torchvision/models/detection/_utils.py, Matcher."""

import numpy as np

BACKGROUND, NEITHER = -1, -2


def match(overlaps: np.ndarray, *, low: float, high: float, rescue: bool = False) -> np.ndarray:
    """Return the number of the object for each of N boxes by overlaps (M, N); below `low` -1, from there to `high` -2.

    The object with the largest overlap, of equal ones the first. rescue: boxes that no other overlaps an object more
    than get their own best one however little it is; equal means the same bits.
    """
    best = overlaps.argmax(0)
    largest = overlaps[best, np.arange(overlaps.shape[1])]
    matches = np.where(largest < low, BACKGROUND, np.where(largest < high, NEITHER, best))
    if rescue:
        kept = (overlaps == overlaps.max(1)[:, None]).any(0)
        matches[kept] = best[kept]
    return matches


def match_each(overlaps: np.ndarray, *, low: float) -> np.ndarray:
    """Return `match` of boxes, where every object also gets its own best box, of equal ones the first.

    A box that is the best one of several objects is the last one's. Source: SSDMatcher of the same file.
    """
    matches = match(overlaps, low=low, high=low)
    matches[overlaps.argmax(1)] = np.arange(len(overlaps))
    return matches
