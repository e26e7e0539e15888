"""Masks of boxes: those that a step learns from, each with its object's mask on a grid, and those of what was found.

Source: torchvision/models/detection/roi_heads.py, project_masks_on_boxes: RoIAlign of the object's mask, not aligned,
with as many points a bin as it has pixels, rounded up.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.network.boxes.anchors import Shape
from ft.network.boxes.roi import matrices, points
from ft.network.boxes.sizes import Sizes, size_of
from ft.network.boxes.training import cut_out
from ft.zoo.detector import Detector


class MaskLesson(NamedTuple):
    """The drawn boxes that are of an object: their places (P,) among all, and their masks (P, M, M), float64."""

    places: np.ndarray
    wanted: np.ndarray


def mask_lesson(
    rois: np.ndarray,
    pictures: np.ndarray,
    classes: np.ndarray,
    matched: np.ndarray,
    masks: np.ndarray,
    *,
    image: Shape,
    detector: Detector,
    sizes: Sizes = None,
) -> MaskLesson:
    """Return what a step learns of masks (N, M, H, ceil(W / 8)), see ft/data/targets.py; the others: see `Lesson`."""
    places, side = np.flatnonzero(classes > 0), 2 * detector.mask_size
    wanted = np.zeros((len(places), side, side))
    for mask, place in zip(wanted, places.tolist(), strict=True):
        height, width = size_of(pictures[place], image, sizes)
        object_of = masks[pictures[place], matched[place], :height]
        mask[:] = on_grid(object_of, rois[place].astype(np.float64), width, side)
    return MaskLesson(places, wanted)


def on_grid(packed: np.ndarray, box: np.ndarray, width: int, side: int) -> np.ndarray:
    """Return the share of each bin of a box (4,) that a mask covers, (side, side). packed: (H, ceil(W / 8))."""
    x, y = (along(box[i], box[i + 2], size, side) for i, size in ((0, width), (1, len(packed))))
    (left, across), (top, down) = x, y
    window = np.unpackbits(packed[top : top + down.shape[1]], axis=1, count=width)[:, left : left + across.shape[1]]
    return down @ window @ across.T


def along(start: float, end: float, size: int, side: int) -> tuple[int, np.ndarray]:
    """Return the first pixel of an axis that counts, and what each bin takes of it and of the next ones, (side, n)."""
    ratio = math.ceil(max(end - start, 1.0) / side)
    ends, scale, sizes = (np.array([value]) for value in (end, 1.0, size))
    pixels, weights = points(np.array([start]), ends, scale, sizes, bins=side, ratio=ratio)
    first, last = int(pixels.min()), int(pixels.max())
    return first, matrices(pixels - first, weights, last - first + 1, bins=side)[0]


def found_rois(
    boxes: np.ndarray,
    classes: np.ndarray,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: Detector,
    sizes: Sizes = None,
) -> dict[str, np.ndarray]:
    """Return detections (N, D, 4), (N, D), see `Found`, without what fills them up, as boxes to cut out."""
    rows = [own[k >= 0].astype(np.float64) for own, k in zip(boxes, classes, strict=True)]
    return cut_out(rows, image=image, maps=maps, detector=detector, sizes=sizes)
