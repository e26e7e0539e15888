"""How far apart two sets of detections are: each beside the nearest of its class on the other side.

Where boxes are chosen by an order or a bar, the last bit of a score may choose another one, which then has no partner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Apart:
    """largest: difference of partners, of edges in shares of a picture's side, and of scores; alone: detections without
    a partner, of the count of both sides.
    """

    largest: float
    alone: int
    count: int


def apart(a: Arrays, b: Arrays, *, bar: float, side: int) -> Apart:
    """Return how far apart the detections of the same pictures are, as many as `a` has: "boxes", "scores", "classes".

    bar: how far partners may be from each other.
    """
    found = [nearest(row_of(a, place), row_of(b, place), side) for place in range(len(a["classes"]))]
    away = np.concatenate([np.zeros(0), *(own for pair in found for own in pair)])
    near = away <= bar
    return Apart(float(away[near].max(initial=0.0)), int((~near).sum()), len(away))


def row_of(arrays: Arrays, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes, scores and classes of one picture, without what fills up."""
    there = arrays["classes"][place] >= 0
    boxes, scores, classes = (arrays[name][place][there] for name in ("boxes", "scores", "classes"))
    return boxes.astype(np.float64), scores.astype(np.float64), classes


def nearest(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each detection of one side is from the nearest of its class on the other."""
    edges = np.abs(a[0][:, None] - b[0][None]).max(2, initial=0.0) / side
    away = np.maximum(edges, np.abs(a[1][:, None] - b[1][None]))
    away[a[2][:, None] != b[2][None]] = np.inf
    return away.min(1, initial=np.inf), away.min(0, initial=np.inf)
