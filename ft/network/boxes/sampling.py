"""Which boxes of a picture a step learns from: so many, at most a part of them of objects, drawn by SplitMix64.

What is drawn is a function of seed, layer, step, the picture's position in the global batch and the box's own; of two
boxes with one key the first comes first.
"""

import numpy as np

from ft.noise import GOLDEN, mix


def picture_key(key: int, *parts: int) -> np.int64:
    """Return the key of a picture: that of the layer, then the step, the purpose and the position mixed in."""
    found = np.array([key], np.int64)
    with np.errstate(over="ignore"):  # int64 arithmetic wraps, as SplitMix64 wants
        for part in parts:
            found = mix(found + np.int64(part + 1) * np.int64(GOLDEN))
    return found[0]


def sample(labels: np.ndarray, key: np.int64, *, count: int, positive: float) -> np.ndarray:
    """Return the sorted places of the drawn boxes: of objects (labels above 0), then of background (0), never of -1.

    count: of both; positive: the largest share of objects, which background fills up.
    """
    objects, background = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
    wanted = min(len(objects), int(count * positive))
    drawn = first_by_key(objects, key, wanted), first_by_key(background, key, count - wanted)
    return np.concatenate([np.sort(places) for places in drawn])


def first_by_key(places: np.ndarray, key: np.int64, count: int) -> np.ndarray:
    """Return the places with the smallest keys, at most so many."""
    if len(places) <= count:
        return places
    with np.errstate(over="ignore"):
        keys = mix(key + (places + 1) * np.int64(GOLDEN))
    return places[np.argsort(keys, kind="stable")[:count]]
