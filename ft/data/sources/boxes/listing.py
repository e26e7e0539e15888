"""What a source of boxes holds, before classes are numbered and splits are made; a file for each layout fills it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ft.data.images.decode import BadImage
from ft.data.images.header import Header, header_at
from ft.data.sources.box import MOST, Form, Marks, Pointed, is_bad, to_corners, trouble
from ft.data.sources.boxes import points as pointing
from ft.data.sources.boxes.numbered import pieces_of
from ft.data.sources.boxes.outlines import in_pixels, outline
from ft.errors import printable
from ft.metrics.boxes import area

UNTOLD = "ignored, images without an annotation file"  # of VOC, where an empty file says that there is no box


class Drawn(NamedTuple):
    """A box as it is written: its line or number in the file, four values, its class, and whether it is set aside.

    Where the source says so and was asked for it: shape, what its mask is drawn by, as COCO has it; points, its
    keypoints as COCO has them, and area, what they are measured by, where that is not the box's.
    """

    place: int
    values: tuple[float, float, float, float]
    label: str
    aside: bool = False
    shape: Any = None
    points: Any = None
    area: Any = None


@dataclass(frozen=True, eq=False)
class Boxed:
    """One image and its boxes, as the source lists them: split "train", "val", "test", or "" where it has none.

    form, shares: what the four values are, and whether they are shares of the image's width and height; where: names a
    box in a message, with {} for its place; stated: the height and width that the source says of the image; marks:
    what every box has beside it; keypoints: their names; swaps: which is which in a mirror, None where names say that;
    numbered: a file whose pixels are the places of the boxes, which are their masks; meant: what the four values are,
    for a message, where the form does not say it.
    """

    split: str
    name: str
    source: Path | np.ndarray
    boxes: tuple[Drawn, ...]
    where: str
    form: Form = "corners"
    shares: bool = False
    stated: tuple[int, int] | None = None
    marks: Marks = ""
    keypoints: tuple[str, ...] = ()
    swaps: tuple[int, ...] | None = None
    numbered: Path | None = None
    meant: str = ""

    @property
    def place(self) -> str:
        """Where the image is, for a message."""
        return printable(self.source) if isinstance(self.source, Path) else self.name

    @cached_property
    def header(self) -> Header:
        """The image's size; BadImage where its header cannot be read."""
        return header_at(self.source)

    @property
    def corners(self) -> np.ndarray:
        """The corners of the boxes in pixels, float64 (M, 4), unchecked."""
        size = (self.header.height, self.header.width) if self.shares else None
        return to_corners([box.values for box in self.boxes], self.form, size)

    def require(self) -> None:
        """Raise BadImage where the header cannot be read or the first bad box is met."""
        header = self.header
        if self.stated and self.stated != (header.height, header.width):
            hint = "; EXIF turns it, draw the boxes on the picture as it is seen" if header.turned else "; draw again"
            told = f"{header.width}x{header.height} pixels, its boxes are for {self.stated[1]}x{self.stated[0]}"
            raise BadImage("box size", told + hint, self.place)
        if len(self.boxes) > MOST:
            raise BadImage("box count", f"{len(self.boxes)} boxes; at most {MOST} are learnt of a picture", self.place)
        corners = self.corners
        bad = np.flatnonzero(is_bad(corners, header.height, header.width))
        if len(bad):
            first, more = int(bad[0]), f" (and {len(bad) - 1} more of this image)" if len(bad) > 1 else ""
            said = trouble(corners[first], self.form, header.height, header.width, meant=self.meant)
            where = self.where.format(self.boxes[first].place)
            raise BadImage("box", f"{said}{more}", f"{where} of {printable(self.name)}")
        if self.marks == "masks":
            self.shapes()
        if self.marks == "keypoints":
            self.pointed()

    def shapes(self) -> list[Any]:
        """Return what the mask of each box is drawn by, see `outline`; BadImage for the first that is none."""
        shapes, size = [], (self.header.height, self.header.width)
        for box, corners in zip(self.boxes, self.corners, strict=True):
            try:
                shapes.append(outline(self.shape_of(box), corners, *size, aside=box.aside))
            except ValueError as error:
                where = self.where.format(box.place)
                raise BadImage("box mask", str(error), f"{where} of {printable(self.name)}") from None
        return shapes

    def shape_of(self, box: Drawn) -> Any:
        """Return what the mask of a box is drawn by as COCO has it; ValueError for a file of numbers that is none."""
        if self.numbered is not None:
            return self.pieces.get(box.place)
        return in_pixels(box.shape, self.header.height, self.header.width) if self.shares else box.shape

    @cached_property
    def pieces(self) -> dict[int, dict[str, Any]]:
        """What each object covers by its number, of an image whose pixels are these."""
        assert self.numbered is not None
        return pieces_of(self.numbered, self.header, [box.place for box in self.boxes])

    def points_of(self, box: Drawn) -> Any:
        """Return the keypoints of a box in pixels, as COCO has them."""
        return pointing.in_pixels(box.points, self.header.height, self.header.width) if self.shares else box.points

    def pointed(self) -> Pointed:
        """Return the keypoints of every box; BadImage for the first that are none."""
        count, size = len(self.keypoints), (self.header.height, self.header.width)
        points, areas = np.zeros((len(self.boxes), count, 3)), area(self.corners)
        for i, box in enumerate(self.boxes):
            try:
                points[i] = pointing.read_points(self.points_of(box), count, *size)
                areas[i] = pointing.read_area(box.area, areas[i])
            except ValueError as error:
                where = self.where.format(box.place)
                raise BadImage("box points", str(error), f"{where} of {printable(self.name)}") from None
        return Pointed(points, areas, pointing.mirrored(self.keypoints) if self.swaps is None else self.swaps)


@dataclass(frozen=True, eq=False)
class BoxListing:
    """All that a source of boxes holds.

    names: the classes, None where they are the labels that occur; ignored: reason -> names of what was left out and
    told in a note; hidden: how many hidden files were passed over; keypoints: the names of those that boxes have;
    skeleton: which of them are joined, from 1 on, None where the source could say and does not;
    numbers: the source's own of the classes, where it has others than their places.
    """

    name: str
    items: list[Boxed]
    names: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)
    ignored: Mapping[str, set[str]] = field(default_factory=dict)
    hidden: int = 0
    image_size: int | None = None
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] | None = None
    numbers: tuple[int, ...] = ()


def braced(text: str) -> str:
    """Return a text as a part of `Boxed.where`: its own braces stay what they are."""
    return text.replace("{", "{{").replace("}", "}}")
