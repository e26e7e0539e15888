"""Which boxes of a picture a step learns from: so many, at most a part of them of objects, drawn by SplitMix64.

What is drawn is a function of seed, layer, step, the picture's position in the global batch and the box's own number,
so a box more or less changes the draw of no other; of two boxes with one key the first comes first.
"""

import numpy as np

from ft.noise import GOLDEN, mix


def picture_key(key: int, *parts: int) -> np.int64:
    """Return the key of a picture: that of the layer, then the step, the purpose and the position mixed in."""
    mixed = np.array([key], np.int64)
    with np.errstate(over="ignore"):  # int64 arithmetic wraps, as SplitMix64 wants
        for part in parts:
            mixed = mix(mixed + np.int64(part + 1) * np.int64(GOLDEN))
    return mixed[0]


def sample(
    labels: np.ndarray, key: np.int64, *, count: int, positive: float, numbers: np.ndarray | None = None
) -> np.ndarray:
    """Return the sorted places of the drawn boxes: of objects (labels above 0), then of background (0), never of -1.

    count: of both; positive: the largest share of objects, which background fills up; numbers: the boxes' own, their
    places where there are none.
    """
    keys = keys_of(np.arange(len(labels)) if numbers is None else numbers, key)
    objects, background = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
    wanted = min(len(objects), int(count * positive))
    drawn = smallest(keys, objects, wanted), smallest(keys, background, count - wanted)
    return np.concatenate([np.sort(places) for places in drawn])


def keys_of(numbers: np.ndarray, key: np.int64) -> np.ndarray:
    """Return the keys of numbered boxes."""
    with np.errstate(over="ignore"):
        return mix(key + (numbers.astype(np.int64) + 1) * np.int64(GOLDEN))


def smallest(keys: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Return those of the places that have the smallest keys, at most so many."""
    if len(places) <= count:
        return places
    return places[np.argsort(keys[places], kind="stable")[:count]]
