"""RoIAlign as sums with weights: a bin is a mean of points, a point a bilinear mean of four pixels.

Rows and columns come apart: a box has so many points along each axis, and each of them two pixels and their weights.
Source: torchvision/ops/roi_align.py with aligned=False. A box has sides of at least one pixel of the map, a point
outside of [-1, size] is 0, one in [-1, 0] is the first pixel's, and one behind the last pixel is that one's.
"""

import numpy as np


def points(
    starts: np.ndarray, ends: np.ndarray, scale: float, size: int, *, bins: int, ratio: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and their weights along one axis, (K, bins * ratio * 2) each: int64 and float64.

    starts, ends: of the boxes (K,) in pixels of the image; scale: of the map, which has `size` pixels here; ratio:
    points a bin. A bin is the mean of its points along both axes, so a weight counts 1 / ratio.
    """
    start = starts * scale
    length = np.maximum(ends * scale - start, 1.0)
    step = length / bins
    inner = (np.arange(ratio) + 0.5)[None, None] * (step / ratio)[:, None, None]
    place = (start[:, None, None] + np.arange(bins)[None, :, None] * step[:, None, None] + inner).reshape(
        len(start), -1
    )
    inside = (place >= -1.0) & (place <= size)
    place = np.maximum(place, 0.0)
    low = np.minimum(np.nan_to_num(place).astype(np.int64), size - 1)
    share = np.where(low >= size - 1, 0.0, place - low)
    pixels = np.stack([low, np.minimum(low + 1, size - 1)], axis=-1)
    weights = np.stack([1.0 - share, share], axis=-1) * inside[..., None] / ratio
    return pixels.reshape(len(start), -1), weights.reshape(len(start), -1)


def matrices(pixels: np.ndarray, weights: np.ndarray, size: int, *, bins: int) -> np.ndarray:
    """Return `points` as a matrix a box (K, bins, size): what each bin takes of each pixel along the axis."""
    found = np.zeros((len(pixels), bins, size))
    box, place = np.indices(pixels.shape)
    np.add.at(found, (box, place * bins // pixels.shape[1], pixels), weights)
    return found
