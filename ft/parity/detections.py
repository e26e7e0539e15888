"""How far apart two sets of detections are: each beside the nearest of its class on the other side.

Where boxes are chosen by an order or a bar, the last bit of a score may choose another one, which then has no partner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Arrays = Mapping[str, np.ndarray]
MORE = ("masks", "keypoints", "heights")  # what may be said of a detection beside its box, score and class


@dataclass(frozen=True)
class Apart:
    """largest: difference of partners, of edges and keypoints in shares of a picture's side, of scores and masks, and
    of heights in shares of the largest; alone: detections without a partner, of the count of both sides.
    """

    largest: float
    alone: int
    count: int


def apart(a: Arrays, b: Arrays, *, bar: float, side: int) -> Apart:
    """Return how far apart the detections of the same pictures are, as many as `a` has: "boxes", "scores", "classes".

    What is said beside, see `MORE`, is compared with the partner's. bar: how far partners may be from each other.
    """
    sizes = sizes_of(b, side)
    found = [nearest(*(row_of(x, place, sizes) for x in (a, b))) for place in range(len(a["classes"]))]
    away = np.concatenate([np.zeros(0), *(own for pair in found for own in pair)])
    near = away <= bar
    return Apart(float(away[near].max(initial=0.0)), int((~near).sum()), len(away))


def sizes_of(arrays: Arrays, side: int) -> dict[str, float]:
    """Return what is 1 of each array that is compared."""
    sizes = {"boxes": side, "scores": 1, "masks": 1, "keypoints": side}
    if "heights" in arrays:
        sizes["heights"] = np.abs(arrays["heights"]).max(initial=0.0) or 1
    return {name: size for name, size in sizes.items() if name in arrays}


def row_of(arrays: Arrays, place: int, sizes: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return what is said of one picture, (D, ...), without what fills up."""
    there = arrays["classes"][place] >= 0
    row = {name: arrays[name][place][there].astype(np.float64) / size for name, size in sizes.items()}
    return {**row, "classes": arrays["classes"][place][there]}


def nearest(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each detection of one side is from the nearest of its class on the other."""
    edges = np.abs(a["boxes"][:, None] - b["boxes"][None]).max(2, initial=0.0)
    away = np.maximum(edges, np.abs(a["scores"][:, None] - b["scores"][None]))
    away[a["classes"][:, None] != b["classes"][None]] = np.inf
    return to_partners(a, b, away), to_partners(b, a, away.T)


def to_partners(own: dict[str, np.ndarray], other: dict[str, np.ndarray], away: np.ndarray) -> np.ndarray:
    """Return how far each detection is from its nearest (D,), with what is said beside."""
    if not away.size:
        return np.full(len(away), np.inf)
    partner, total = away.argmin(1), away.min(1)
    for name in own.keys() & MORE:
        gaps = np.abs(own[name] - other[name][partner]).reshape(len(away), -1).max(1)
        total = np.maximum(total, gaps)
    return total
