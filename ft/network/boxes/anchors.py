"""Anchors: boxes of a few sizes and shapes at every place of every map.

Source: torchvision/models/detection/anchor_utils.py. Ratios and roots are float32 and corners are rounded to whole
pixels, so a network in float64 has the same anchors.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

Shape = tuple[int, int]


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Return the anchors (A, 4) around the origin, whole numbers in float64: ratio by ratio, each in every size."""
    heights = np.sqrt(np.asarray(ratios, np.float32))
    widths = np.float32(1) / heights
    scales = np.asarray(sizes, np.float32)
    w, h = ((side[:, None] * scales).ravel() for side in (widths, heights))
    return np.round(np.stack([-w, -h, w, h], axis=1) / np.float32(2)).astype(np.float64)


@cache
def grid_anchors(
    image: Shape, maps: tuple[Shape, ...], sizes: tuple[tuple[float, ...], ...], ratios: tuple[float, ...]
) -> np.ndarray:
    """Return the anchors (A, 4) of all maps, one map after the other: by row, column and anchor of the cell.

    image, maps: height and width; two places of a map lie whole pixels apart, as often as it fits into the image.
    """
    grids = []
    for (height, width), own in zip(maps, sizes, strict=True):
        rows, columns = np.arange(height) * (image[0] // height), np.arange(width) * (image[1] // width)
        y, x = np.meshgrid(rows, columns, indexing="ij")
        shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
        grids.append((shifts + cell_anchors(own, ratios)).reshape(-1, 4))
    anchors = np.concatenate(grids)
    anchors.flags.writeable = False  # it is kept for the next batch
    return anchors


def counts(maps: Sequence[Shape], per_place: int) -> np.ndarray:
    """Return how many anchors each map has."""
    return np.array([height * width * per_place for height, width in maps])
