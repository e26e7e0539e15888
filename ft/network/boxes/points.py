"""Keypoints of boxes: the places of a heatmap that a step learns, and the places that heatmaps of what was found say.

Source: torchvision/models/detection/roi_heads.py, keypoints_to_heatmap and heatmaps_to_keypoints: a keypoint is one
place of 56x56 in its box; what is found is the highest place once the heatmap is as large as its box, bicubic.
"""

from typing import NamedTuple

import numpy as np

from ft.network.resize import bicubic_taps
from ft.zoo.detector import Detector


class PointLesson(NamedTuple):
    """The drawn boxes that are of an object: their places (P,) among all; and the V keypoints that are marked and lie
    in them: the number of each heatmap (V,), box by box, and its place in that (V,), row by row; all int64.
    """

    places: np.ndarray
    heatmaps: np.ndarray
    cells: np.ndarray


def point_lesson(
    rois: np.ndarray,
    pictures: np.ndarray,
    classes: np.ndarray,
    matched: np.ndarray,
    points: np.ndarray,
    *,
    detector: Detector,
) -> PointLesson:
    """Return what a step learns of keypoints (N, M, K, 3), see ft/data/targets.py; the others: see `Lesson`."""
    places, side = np.flatnonzero(classes > 0), 4 * detector.mask_size
    own = points[pictures[places], matched[places]].astype(np.float64)
    boxes = rois[places].astype(np.float64)[:, None]
    first, last = boxes[..., :2], boxes[..., 2:]
    cells = np.floor((own[..., :2] - first) * (side / (last - first))).astype(np.int64)
    cells[own[..., :2] == last] = side - 1  # on the far edge is within
    marked = (own[..., 2] > 0) & ((cells >= 0) & (cells < side)).all(-1)
    places_in = (cells[..., 1] * side + cells[..., 0]).ravel()
    heatmaps = np.flatnonzero(marked)
    return PointLesson(places, heatmaps, places_in[heatmaps])


def points_in(heatmaps: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the keypoints that heatmaps (R, K, S, S) say in boxes (R, 4): x and y, float64 (R, K, 2), and how high the
    heatmap is there (R, K).
    """
    found, heights = np.zeros((*heatmaps.shape[:2], 2)), np.zeros(heatmaps.shape[:2])
    for row, (maps, box) in enumerate(zip(heatmaps, boxes.astype(np.float64), strict=True)):
        sides = np.maximum(box[2:] - box[:2], 1.0)
        width, height = np.ceil(sides).astype(int).tolist()
        large = enlarged(enlarged(maps, height, 1), width, 2).reshape(len(maps), -1)
        best = large.argmax(1)
        cells = np.stack([best % width, best // width], axis=1)
        found[row] = (cells + 0.5) * (sides / np.array([width, height])) + box[:2]
        heights[row] = large[np.arange(len(maps)), best]
    return found, heights


def enlarged(maps: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Return maps (K, h, w) with another size along an axis, bicubic."""
    taps, weights = bicubic_taps(maps.shape[axis], size)
    weights = weights.astype(maps.dtype)
    shape = (-1, 1) if axis == 1 else (-1,)
    total = np.take(maps, taps[:, 0], axis) * weights[:, 0].reshape(shape)
    for tap in range(1, 4):
        total += np.take(maps, taps[:, tap], axis) * weights[:, tap].reshape(shape)
    return total
