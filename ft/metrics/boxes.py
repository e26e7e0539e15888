"""Boxes as arrays (..., 4) of corners x1, y1, x2, y2: their areas and how far two of them are the same."""

import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """Return the areas (...) of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union (A, B) of boxes (A, 4) and (B, 4); 0 where a union is empty.

    Source: torchvision.ops.box_iou.
    """
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0, None)
    both = sides[..., 0] * sides[..., 1]
    union = area(a)[:, None] + area(b)[None] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)
