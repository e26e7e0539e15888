"""Keypoints as COCO writes them: x, y and visibility of each, 0 where one is not marked; which is which in a mirror.

YOLO's are the same in shares of the picture's sides.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ft.data.sources.box import SLACK

SIDES = ("left", "right")


def read_points(values: Any, count: int, height: int, width: int) -> np.ndarray:
    """Return the keypoints of an object, float64 (K, 3); none is marked where it has none.

    ValueError, a few words, where they are none of that many or one lies outside of its picture.
    """
    points = as_points(values, count)
    bad = np.flatnonzero(strays(points, height, width))
    if len(bad):
        x, y, _ = points[bad[0]].tolist()
        raise ValueError(f"keypoint {bad[0] + 1} at {x:g}, {y:g} lies outside of its picture; correct it")
    return np.where(points[:, 2:] > 0, points, 0.0)


def as_points(values: Any, count: int) -> np.ndarray:
    """Return what is written of an object's keypoints, float64 (K, 3), 0 where it has none; ValueError as above."""
    if values is None or values == []:
        return np.zeros((count, 3))
    if not isinstance(values, list) or len(values) != 3 * count or any(type(v) not in (int, float) for v in values):
        found = f"{len(values)} values" if isinstance(values, list) else type(values).__name__
        raise ValueError(f"keypoints: {found}; expected {3 * count} numbers, x, y and visibility of {count}")
    return np.array(values, np.float64).reshape(count, 3)


def strays(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return which keypoints (K, 3) are marked outside of their picture, or are no numbers, bool (K,)."""
    outside = (points[:, :2] < -SLACK) | (points[:, :2] > np.array([width, height]) + SLACK)
    return ((points[:, 2] > 0) & outside.any(1)) | ~np.isfinite(points).all(1)


def require_area(area: Any) -> None:
    """Raise ValueError, a few words, where what keypoints are measured by is no area; None is that of the box."""
    if area is not None and (type(area) not in (int, float) or not 0 <= area < np.inf):
        raise ValueError(f"area {str(area)[:20]}; expected the pixels that the object covers, or none")


def in_pixels(values: list[float] | None, height: int, width: int) -> list[float] | None:
    """Return keypoints x, y, visibility, x, y, visibility of shares of a picture's sides in its pixels."""
    return values and [value * (width, height, 1)[i % 3] for i, value in enumerate(values)]


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """Return the place of each keypoint's partner: that of the same name with right for left, else itself."""
    places = {name.lower(): place for place, name in enumerate(names)}
    return tuple(places.get(partner(name.lower()), place) for place, name in enumerate(names))


def partner(name: str) -> str:
    """Return a name with right for left, or left for right."""
    left, right = SIDES
    return name.replace(left, right) if left in name else name.replace(right, left)
