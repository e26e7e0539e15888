"""The best of many scores, and boxes that no better one covers; among equals the first comes first."""

import numpy as np

from ft.metrics.boxes import area

BLOCK = 128  # boxes that are decided at a time


def best_first(scores: np.ndarray, count: int | None = None) -> np.ndarray:
    """Return the places of the largest scores, at most so many: descending, of equal ones the lower place first.

    torch.topk takes equal ones in no stated order. What is not a number comes last.
    """
    if count is None or count >= len(scores):
        return np.argsort(-scores, kind="stable")
    if count <= 0:
        return np.zeros(0, np.int64)
    least = -np.partition(-scores, count - 1)[count - 1]  # only these need be sorted
    candidates = np.flatnonzero(scores >= least) if least == least else np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")[:count]]


def suppress(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    """Return the places of boxes (N, 4) that overlap no better box of their group by more than the threshold.

    Best first. Source: torchvision.ops.batched_nms, whose order of equal scores depends on how many boxes there are.
    """
    order = best_first(scores)
    kept = [order[own][greedy(boxes[order[own]], threshold)] for own in by_group(groups[order])]
    places = np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)
    return places[best_first(scores[places])]


def by_group(groups: np.ndarray) -> list[np.ndarray]:
    """Return the places of each group, in their order."""
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    return np.split(order, ends) if len(order) else []


def greedy(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Return the places that are left of boxes in their order, block by block."""
    left, kept = np.arange(len(boxes)), []
    while len(left):
        block, left = left[:BLOCK], left[BLOCK:]
        own = block[survivors(covers(boxes[block], boxes[block], threshold))]
        kept.append(own)
        if len(left):
            left = left[~covers(boxes[own], boxes[left], threshold).any(0)]
    return np.concatenate(kept) if kept else left


def survivors(covered: np.ndarray) -> np.ndarray:
    """Return which of N boxes no earlier one that is left covers. covered: (N, N), row covers column."""
    alive = np.ones(len(covered), np.bool_)
    for place in np.flatnonzero(np.triu(covered, 1).any(1)):
        if alive[place]:
            alive[place + 1 :] &= ~covered[place, place + 1 :]
    return alive


def covers(a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray:
    """Tell (A, B) which boxes `a` overlap which of `b` by more than the threshold."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    union = area(a)[:, None] + area(b)[None] - both
    with np.errstate(divide="ignore", invalid="ignore"):  # a union of nothing covers nothing
        return both / union > threshold
