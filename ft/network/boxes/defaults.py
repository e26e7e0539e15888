"""Default boxes: the anchors of SSD, of sizes that are shares of the picture's, at every place of every map.

Source: torchvision/models/detection/anchor_utils.py, DefaultBoxGenerator. Sides, and middles as shares of the picture,
are float32, so a network in float64 has the same boxes but for what they are computed with from there.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from ft.network.boxes.anchors import Shape


def cell_sides(scale: float, following: float, ratios: Sequence[float]) -> np.ndarray:
    """Return widths and heights (2 + 2 * ratios, 2), float32: a square, one towards the next scale, and each ratio
    lying and standing; none is larger than the picture.
    """
    between = math.sqrt(scale * following)
    sides = [(scale, scale), (between, between)]
    for ratio in ratios:
        long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
        sides += [(long, short), (short, long)]
    return np.clip(np.array(sides, np.float32), 0, 1)


@cache
def default_boxes(
    image: Shape,
    maps: tuple[Shape, ...],
    scales: tuple[float, ...],
    ratios: tuple[tuple[float, ...], ...],
    steps: tuple[int, ...] | None,
) -> np.ndarray:
    """Return the default boxes (A, 4) of all maps, one map after the other: by row, column and box of the cell.

    image, maps: height and width; scales: one more than there are maps; steps: how many pixels of the picture two
    places of each map lie apart, None: as many as there are places for.
    """
    grids = []
    for number, (height, width) in enumerate(maps):
        sides = cell_sides(scales[number], scales[number + 1], ratios[number])
        places = [image[0] / steps[number], image[1] / steps[number]] if steps else [height, width]
        rows, columns = (middles_of(count, own) for count, own in zip((height, width), places, strict=True))
        y, x = np.meshgrid(rows, columns, indexing="ij")
        middles = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
        half = 0.5 * sides.astype(np.float64)
        grids.append(np.concatenate(np.broadcast_arrays(middles - half, middles + half), axis=-1).reshape(-1, 4))
    boxes = np.concatenate(grids) * np.array([image[1], image[0]] * 2)
    boxes.flags.writeable = False  # it is kept for the next batch
    return boxes


def middles_of(count: int, places: float) -> np.ndarray:
    """Return the middles of so many places along an axis, as shares of it: float32 numbers in float64."""
    return ((np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(places)).astype(np.float64)
