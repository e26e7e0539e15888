"""Shapes as COCO writes them, drawn into a mask: polygons and run lengths.

A pixel belongs to a polygon where its centre lies inside by the even-odd rule, so a box from 2 to 5 covers 3 pixels.
Later shapes lie over earlier ones, and a crowd is ignored.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft.data.images.decode import MAX_PIXELS, BadImage
from ft.data.images.header import Header
from ft.metrics.run_lengths import drawn_runs, unpack, whole_counts

FAR = 1e9  # pixels: beyond any picture, and near enough to compute with


@dataclass(frozen=True, eq=False)
class Shapes:
    """What is drawn into the mask of one image: (value, segmentation) each, over pixels of value 0."""

    name: str
    height: int
    width: int
    shapes: Sequence[tuple[int, Any]]

    def header(self) -> Header:
        """Return the size that the annotations state."""
        return Header(self.height, self.width, "L", "")

    def values(self, *, colours: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return the drawn mask, uint8 (H, W)."""
        if self.height * self.width > max_pixels:
            raise BadImage("huge", f"{self.width}x{self.height} pixels; raise max_pixels", self.name)
        drawn = np.zeros((self.height, self.width), np.uint8)
        for value, segmentation in self.shapes:
            with drawable(self.name):
                drawn[covered(segmentation, self.height, self.width)] = value
        return drawn

    def announced(self) -> tuple[int, ...]:
        """Return the values that are drawn, and that below them; BadImage where a segmentation is none."""
        for _, segmentation in self.shapes:
            with drawable(self.name):
                read(segmentation, self.height, self.width)
        return tuple({0, *(value for value, _ in self.shapes)})


@contextmanager
def drawable(name: str) -> Iterator[None]:
    """Say of what cannot be drawn that it is a fault of the mask of this name."""
    try:
        yield
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImage("mask file", f"a segmentation that cannot be drawn ({reason}); mend it", name) from None


def read(segmentation: Any, height: int, width: int) -> list[np.ndarray] | np.ndarray:
    """Return the corners of its polygons, or the counts of its run lengths."""
    return counts_of(segmentation, height, width) if isinstance(segmentation, dict) else polygons_of(segmentation)


def covered(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Return which pixels a segmentation covers, bool (H, W): those of any of its polygons, or of its run lengths."""
    outlines = read(segmentation, height, width)
    if isinstance(outlines, np.ndarray):
        return drawn_runs(outlines, height, width)
    inside = np.zeros((height, width), np.bool_)
    for corners in outlines:
        fill(inside, corners)
    return inside


def polygons_of(segmentation: Sequence[Any]) -> list[np.ndarray]:
    """Return the corners of polygons, float64 (N, 2) of x and y each; ValueError where one is none."""
    polygons = [np.array(polygon, np.float64) for polygon in segmentation]
    for corners in polygons:
        if corners.ndim != 1 or len(corners) % 2 or len(corners) < 6:
            raise ValueError(f"a polygon of {corners.size} numbers; expected x, y of three corners or more")
        if not (np.abs(corners) < FAR).all():
            raise ValueError("a polygon that leads out of every picture, or has a number that is none")
    return [corners.reshape(-1, 2) for corners in polygons]


def fill(inside: np.ndarray, corners: np.ndarray) -> None:
    """Set the pixels whose centres lie in a polygon (N, 2) of x and y."""
    height, width = inside.shape
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    first, last = (int(np.clip(edge, 0, height)) for edge in (np.floor(y0.min()), np.ceil(y0.max())))
    centres = np.arange(first, last)[:, None] + 0.5
    rows, edges = np.nonzero((y0 <= centres) != (y1 <= centres))
    slope = (x1[edges] - x0[edges]) / (y1[edges] - y0[edges])
    crossing = x0[edges] + (centres[rows, 0] - y0[edges]) * slope
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    toggles = np.zeros((last - first, width + 1), np.int64)
    np.add.at(toggles, (rows, columns), 1)
    inside[first:last] |= toggles.cumsum(axis=1)[:, :-1] % 2 == 1


def counts_of(code: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Return the counts of run lengths, a list or a text; ValueError where they are not of this size."""
    if list(code["size"]) != [height, width]:
        raise ValueError(f"run lengths of {code['size']}, the image has {[height, width]}")
    counts = unpack(code["counts"]) if isinstance(code["counts"], str) else code["counts"]
    return whole_counts(counts, height, width)
