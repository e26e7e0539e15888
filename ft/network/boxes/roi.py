"""RoIAlign as sums with weights: a bin is a mean of points, a point a bilinear mean of four pixels.

Rows and columns come apart: a box has so many points along each axis, and each of them two pixels and their weights.
Source: torchvision/ops/roi_align.py with aligned=False. A box has sides of at least one pixel of the map, a point
outside of [-1, size] is 0, one in [-1, 0] is the first pixel's, and one behind the last pixel is that one's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.network.boxes.anchors import Shape
from ft.network.boxes.levels import scales
from ft.zoo.detector import Detector


class Cuts(NamedTuple):
    """Which pixels the points of K boxes are made of, in all maps laid flat one after the other, and what each counts.

    rows (K, P) are where a row begins, columns (K, P) are added to it. P: bins * points a bin * 2.
    """

    rows: np.ndarray
    row_weights: np.ndarray
    columns: np.ndarray
    column_weights: np.ndarray


def cuts(
    rois: np.ndarray,
    pictures: np.ndarray,
    numbers: np.ndarray,
    *,
    count: int,
    image: Shape,
    maps: Sequence[Shape],
    detector: Detector,
) -> Cuts:
    """Return what boxes are made of. numbers: of their maps; count: pictures in a batch; maps: see `levels`."""
    own = np.array(maps[: detector.maps]).reshape(-1, 2)
    scale, (height, width) = np.array(scales(image, maps[: detector.maps]))[numbers], own[numbers].T
    starts = np.append(0, np.cumsum(count * own.prod(1)))[numbers] + pictures * height * width
    options = {"bins": detector.roi_size, "ratio": detector.roi_points}
    rows, row_weights = points(rois[:, 1], rois[:, 3], scale, height, **options)
    columns, column_weights = points(rois[:, 0], rois[:, 2], scale, width, **options)
    return Cuts(starts[:, None] + rows * width[:, None], row_weights, columns, column_weights)


def points(
    starts: np.ndarray, ends: np.ndarray, scale: np.ndarray, size: np.ndarray, *, bins: int, ratio: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and their weights along one axis, (K, bins * ratio * 2) each: int64 and float64.

    starts, ends: of the boxes (K,) in pixels of the image; scale, size: of each one's map, which has so many pixels
    here; ratio: points a bin. A bin is the mean of its points along both axes, so a weight counts 1 / ratio.
    """
    start, last = starts * scale, (size - 1)[:, None]
    length = np.maximum(ends * scale - start, 1.0)
    step = length / bins
    inner = (np.arange(ratio) + 0.5)[None, None] * (step / ratio)[:, None, None]
    outer = start[:, None, None] + np.arange(bins)[None, :, None] * step[:, None, None]
    place = (outer + inner).reshape(len(start), bins * ratio)
    inside = (place >= -1.0) & (place <= last + 1)
    place = np.clip(place, 0.0, last)
    low = place.astype(np.int64)
    share = place - low
    pixels = np.stack([low, np.minimum(low + 1, last)], axis=-1)
    weights = np.stack([1.0 - share, share], axis=-1) * inside[..., None] / ratio
    shape = (len(start), bins * ratio * 2)
    return pixels.reshape(shape), weights.reshape(shape)


def matrices(pixels: np.ndarray, weights: np.ndarray, size: int, *, bins: int) -> np.ndarray:
    """Return `points` as a matrix a box (K, bins, size): what each bin takes of each pixel along the axis."""
    shares = np.zeros((len(pixels), bins, size))
    box, place = np.indices(pixels.shape)
    np.add.at(shares, (box, place * bins // pixels.shape[1], pixels), weights)
    return shares
