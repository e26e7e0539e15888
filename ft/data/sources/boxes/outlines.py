"""What the mask of an object is drawn by: polygons, a list of float64 (N, 2) of x and y, or COCO's run lengths, a dict.

A pixel belongs to a polygon where its centre lies inside, see ft/data/sources/masks/polygons.py. What is set aside and
has no mask covers its box.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ft.data.sources.box import Boxes
from ft.data.sources.masks.polygons import counts_of, covered, polygons_of

NONE = "it has no mask; draw one, or train a network for boxes alone"


def outline(segmentation: Any, corners: np.ndarray, height: int, width: int, *, aside: bool) -> list[np.ndarray] | dict:
    """Return what a mask is drawn by. corners: its box (4,); ValueError, a few words, where it cannot be drawn."""
    if not segmentation:
        if not aside:
            raise ValueError(NONE)
        x1, y1, x2, y2 = corners.tolist()
        return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])]
    try:
        if isinstance(segmentation, dict):
            counts_of(segmentation, height, width)
            return segmentation
        return polygons_of(segmentation)
    except (TypeError, KeyError, IndexError, OverflowError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"its segmentation cannot be drawn ({reason}); mend it") from None


def in_pixels(polygons: list[list[float]] | None, height: int, width: int) -> list[list[float]] | None:
    """Return polygons x y x y x y of shares of a picture's sides in its pixels."""
    return polygons and [
        [value * (height if i % 2 else width) for i, value in enumerate(polygon)] for polygon in polygons
    ]


def masks_of(boxes: Boxes, kept: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield the mask of each object in its picture's own pixels, bool (H, W). kept: of which ones, bool (M,)."""
    for i, shape in enumerate(boxes.shapes or ()):
        if kept is None or kept[i]:
            yield covered(as_coco(shape), boxes.height, boxes.width)


def as_coco(shape: list[np.ndarray] | dict) -> list[np.ndarray] | dict:
    """Return what a mask is drawn by as COCO has it: x, y, x, y, ... of each polygon."""
    return shape if isinstance(shape, dict) else [corners.ravel() for corners in shape]
