"""The boxes of a picture: where each of its objects is, in the picture's own pixels, and what it is.

A box is x1, y1, x2, y2: its left, upper, right and lower edge, the picture being 0 to its width and 0 to its height, as
COCO has it. What a source writes has a form, and is checked and turned into that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

Marks = Literal["", "masks", "keypoints"]  # what objects have beside their box
Form = Literal["corners", "sides", "centre"]  # x1 y1 x2 y2; x1 y1 width height; x y of the centre, width, height
MOST = 1000  # boxes of one picture: each is compared with every anchor of the network
SLACK = 1.0  # pixels by which a box may reach out of its picture, as rounding makes it; it is cut off there
FAULTS = {
    "box": "images with a box that is none",
    "box count": f"images with more than {MOST} boxes",
    "box size": "images of another size than their boxes were drawn on",
    "box mask": "images with an object whose mask cannot be drawn",
    "box points": "images with an object whose keypoints are none",
}
MEANT = {
    "corners": "if these are x, y, width and height, name the columns x,y,width,height",
    "sides": "COCO writes x, y, width and height",
    "centre": "YOLO writes x and y of the centre, width and height",
}


class Pointed(NamedTuple):
    """The keypoints of a picture's objects, see `Boxes`."""

    points: np.ndarray
    areas: np.ndarray
    swaps: tuple[int, ...]

    @property
    def content(self) -> bytes:
        """What tells them from others."""
        return self.points.tobytes() + self.areas.tobytes() + repr(self.swaps).encode()


@dataclass(frozen=True)
class Boxes:
    """The boxes of one sample, and the size of its picture.

    corners: float64 (M, 4); classes: their numbers, int64 (M,); aside: bool (M,), those that are neither learnt nor
    counted, crowds and what is marked as difficult. shapes: of objects with masks what each is drawn by, see
    ft/data/sources/boxes/outlines.py. points: of objects with keypoints, float64 (M, K, 3): x, y, and 0 where one is
    not marked, in order; areas: of these, float64 (M,); swaps: which keypoint is which in a mirror.
    """

    height: int
    width: int
    corners: np.ndarray = field(compare=False)
    classes: np.ndarray = field(compare=False)
    aside: np.ndarray = field(compare=False)
    digest: str = ""
    shapes: tuple[Any, ...] | None = field(default=None, compare=False)
    points: np.ndarray | None = field(default=None, compare=False)
    areas: np.ndarray | None = field(default=None, compare=False)
    swaps: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        corners: np.ndarray,
        classes: np.ndarray,
        aside: np.ndarray | None = None,
        *,
        shapes: Sequence[Any] | None = None,
        pointed: Pointed | None = None,
    ) -> "Boxes":
        """Return the boxes of a picture of that size; no box is a legal number of them."""
        corners = np.asarray(corners, np.float64).reshape(-1, 4)
        classes = np.asarray(classes, np.int64).reshape(-1)
        aside = np.zeros(len(classes), np.bool_) if aside is None else np.asarray(aside, np.bool_)
        content = b"".join((corners.tobytes(), classes.tobytes(), aside.tobytes()))
        content += repr([as_lists(shape) for shape in shapes]).encode() if shapes is not None else b""
        content += b"" if pointed is None else pointed.content
        own = None if shapes is None else tuple(shapes)
        digest = hashlib.sha256(content).hexdigest()[:16]
        boxes = cls(height, width, corners, classes, aside, digest, own)
        return boxes if pointed is None else replace(boxes, **pointed._asdict())

    def __str__(self) -> str:
        """Return what tells these boxes from others."""
        return f"{self.width}x{self.height} {self.digest}"

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def taught(self) -> tuple[np.ndarray, np.ndarray]:
        """The corners and classes of those that are learnt."""
        return self.corners[~self.aside], self.classes[~self.aside]


def as_floats(values: Any) -> list[float] | None:
    """Return a list of numbers of JSON as floats; None where it is no such list, or holds one that no float can."""
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        return None
    try:
        return [float(value) for value in values]
    except OverflowError:
        return None


def as_lists(shape: Any) -> Any:
    """Return polygons, a list of arrays, as lists of numbers; what else a mask is drawn by, as it is."""
    return [corners.tolist() for corners in shape] if isinstance(shape, list) else shape


def to_corners(values: Sequence[Sequence[float]], form: Form, size: tuple[int, int] | None) -> np.ndarray:
    """Return boxes of a form as corners, float64 (M, 4). size: height and width where values are shares of these."""
    boxes = np.array(values, np.float64).reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite then is told as a bad box
        if size is not None:
            boxes = boxes * np.array([size[1], size[0]] * 2, np.float64)
        first, last = boxes[:, :2], boxes[:, 2:]
        if form == "sides":
            last = first + last
        if form == "centre":
            first, last = first - last / 2, first + last / 2
    return np.concatenate([first, last], axis=1)


def is_bad(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return which boxes (M, 4) are none, bool (M,): not finite, empty, corners swapped, or outside the picture."""
    (x1, y1, x2, y2), (inner, outer) = corners.T, (-SLACK, SLACK)
    with np.errstate(invalid="ignore"):
        inside = (x1 >= inner) & (y1 >= inner) & (x2 <= width + outer) & (y2 <= height + outer)
        shown = (np.minimum(x2, width) > np.maximum(x1, 0)) & (np.minimum(y2, height) > np.maximum(y1, 0))
    return ~(np.isfinite(corners).all(1) & inside & shown)


def trouble(box: np.ndarray, form: Form, height: int, width: int, *, meant: str = "") -> str:
    """Return what is wrong with a box (4,) of corners that `is_bad`, and what to do. meant: what its numbers are."""
    meant = meant or MEANT[form]
    x1, y1, x2, y2 = box.tolist()
    shown = "x1 {:g}, y1 {:g}, x2 {:g}, y2 {:g}".format(*box)
    if not np.isfinite(box).all():
        return f"{shown} are not finite; correct it, or remove it"
    if x2 < x1 or y2 < y1:
        if form != "corners":
            return f"{shown}: its width or height is below 0; {meant}"
        return f"{shown}: its second corner lies before its first; swap them; {meant}"
    if x2 == x1 or y2 == y1:
        return f"{shown}: it is empty; draw it again, or remove it"
    return f"{shown} reach out of its picture of {width}x{height} pixels; correct it; {meant}"


def clipped(corners: np.ndarray, height: float, width: float) -> np.ndarray:
    """Return boxes (M, 4) without what lies outside 0 to width and 0 to height."""
    return np.clip(corners, 0, np.array([width, height] * 2, np.float64))
