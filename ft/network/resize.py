"""Resizing maps: the weights that both wings, and the hub, resize by."""

import numpy as np


def bilinear_weights(old: int, new: int) -> np.ndarray:
    """Return float64 (new, old): what each old row or column counts in each new one.

    Pixels are squares and corners are not aligned, as in torch.nn.functional.interpolate with align_corners=False: the
    middle of new pixel i lies at (i + 1/2) * old / new, and what lies beyond the outermost middles is theirs.
    """
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)))


def nearest_places(old: int, new: int) -> np.ndarray:
    """Return which old row or column each new one is, int64 (new,).

    As torch.nn.functional.interpolate with "nearest" has it for up to twice the size: the corner of the new pixel, by a
    ratio in float32.
    """
    ratio = np.float32(old) / np.float32(new)
    places = np.floor(np.arange(new, dtype=np.float32) * ratio).astype(np.int64)
    return np.minimum(places, old - 1)


def bicubic_taps(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which four old rows or columns each new one is made of, int64 (new, 4), and what each counts, float64.

    As torch.nn.functional.interpolate with "bicubic" and align_corners=False: A = -3/4, and what lies beyond an edge is
    the pixel at it.
    """
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(place)
    t = (place - first)[:, None] + np.array([1.0, 0.0, -1.0, -2.0])
    away, a = np.abs(t), -0.75
    weights = np.where(
        away <= 1,
        ((a + 2) * away - (a + 3)) * away * away + 1,
        ((a * away - 5 * a) * away + 8 * a) * away - 4 * a,
    )
    taps = first.astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(taps, 0, old - 1), weights
