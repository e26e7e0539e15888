"""A mask: for each pixel of a picture the number of its class, from 0 on, or 255 where no class counts.

What a mask is drawn by, a file or shapes, gives values, and a `Coding` says which class each value is. Of a file:

    palette      the index, whatever its colour
    grey         the value, of 1 to 16 bits as it was written (Pillow would spread 2 and 4 bits over 0 to 255)
    RGB          the colour where classes are colours, else the value of its three channels, which must be the same
    alpha        left aside
    formats      PNG, TIFF, BMP and GIF; JPEG and WebP blur what they keep, and PGM is scaled by its reader
    EXIF         the orientation is applied, as to the picture
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageFile

from ft.data.images.decode import MAX_PIXELS, BadImage, read_image, upright
from ft.data.images.header import Header, read_header
from ft.errors import listed, printable

IGNORED = 255  # what a pixel of no class is in every mask that was read
MOST = 255  # classes that a mask of 8 bits has room for beside it
MANY = 64  # values in one mask that no drawing has: a photo, or a mask that was compressed as one
FORMATS = ("PNG", "TIFF", "BMP", "GIF")
AS_COLOURS = ("RGB", "RGBA", "CMYK", "RGBX")  # modes whose pixels are colours
FAULTS = {
    "mask missing": "images without a mask",
    "mask file": "masks that are no mask",
    "mask size": "masks of another size than their image",
    "mask value": "masks with values that are no class",
}


class Drawing(Protocol):
    """What a mask is drawn by."""

    @property
    def name(self) -> str:
        """Return what a message calls it."""
        ...

    def header(self) -> Header:
        """Return its size, without drawing it."""
        ...

    def values(self, *, colours: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return whole numbers (H, W): values, or `packed` colours."""
        ...

    def announced(self) -> tuple[int, ...] | None:
        """Return the values that may occur, None where only drawing tells; BadImage where it cannot be drawn."""
        ...


@dataclass(frozen=True)
class Coding:
    """Which class each value is: value -> class number, IGNORED for none. colours: values are `packed` colours."""

    classes: Mapping[int, int]
    colours: bool = False

    @cached_property
    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """The values in ascending order, and the class of each."""
        values = np.array(sorted(self.classes), np.int64)
        return values, np.array([self.classes[v] for v in values.tolist()], np.uint8)

    @cached_property
    def digest(self) -> str:
        """Tell two codings apart in a few characters."""
        text = repr((self.colours, sorted(self.classes.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def read(self, values: np.ndarray, name: str = "") -> np.ndarray:
        """Return the class of each value, uint8 (H, W); BadImage where one is no class."""
        known, classes = self.known
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        strange = known[place] != values
        if strange.any():
            raise BadImage("mask value", self.complaint(values[strange]), name)
        return classes[place]

    def drawn_in(self, count: int) -> tuple[int, ...]:
        """Return the colour of each of `count` classes, the first of those that have several; () where one has none."""
        first = {k: value for value, k in reversed(list(self.classes.items()))} if self.colours else {}
        return tuple(first[k] for k in range(count)) if set(range(count)) <= set(first) else ()

    def renumbered(self, numbers: Sequence[int]) -> "Coding":
        """Return the coding by which class k is numbers[k]; what counts for nothing still does."""
        classes = {value: k if k == IGNORED else numbers[k] for value, k in self.classes.items()}
        return Coding(classes, self.colours)

    def complaint(self, strange: np.ndarray) -> str:
        """Return what is said of values that are no class."""
        values, counts = np.unique(strange, return_counts=True)
        if len(values) > MANY:
            return f"{len(values)} values that are no class, as a photo has; put the mask in its place"
        shown = listed((f"{self.show(v)} in {n} pixels" for v, n in zip(values, counts, strict=True)), 3)
        kind = "colour" if self.colours else "value"
        return f"{kind} {shown}, which is no class ({self.expected()}); correct the mask, or name it in classes.txt"

    def expected(self) -> str:
        """Return the values of the classes and what is ignored, in words."""
        taught, void = ([v for v, c in sorted(self.classes.items()) if (c == IGNORED) is w] for w in (False, True))
        if not taught:
            return "none is told"
        row = taught == list(range(taught[0], taught[-1] + 1)) and len(taught) > 2 and not self.colours
        words = f"{taught[0]} to {taught[-1]}" if row else listed(map(self.show, taught), 6)
        return words + (f", {listed(map(self.show, void), 3)} ignored" if void else "")

    def show(self, value: int) -> str:
        """Return a value as it is written, a colour as #rrggbb."""
        return f"#{int(value):06x}" if self.colours else str(int(value))


@dataclass(frozen=True)
class Mask:
    """The mask of one sample: its name in the data, what it is drawn by and how its values become classes."""

    name: str
    drawing: Drawing = field(compare=False)
    coding: Coding = field(compare=False)

    def __str__(self) -> str:
        """Return the name and the coding, wherever the data lies."""
        return f"{self.name} {self.coding.digest}"

    def read(self, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return the class of every pixel, uint8 (H, W): 0 to K - 1, and 255 where no class counts. May raise BadImage.

        Safe to call from many threads.
        """
        values = self.drawing.values(colours=self.coding.colours, max_pixels=max_pixels)
        return self.coding.read(values, self.drawing.name)

    def shown(self, max_pixels: int = MAX_PIXELS) -> frozenset[int]:
        """Return the classes that occur, IGNORED among them, undrawn where that is known; may raise BadImage."""
        values = self.drawing.announced()
        classes = self.read(max_pixels) if values is None else self.coding.read(np.array(values), self.drawing.name)
        return frozenset(np.flatnonzero(np.bincount(classes.reshape(-1))).tolist())


@dataclass(frozen=True, eq=False)
class MaskArray:
    """A mask in memory, uint8 (H, W)."""

    name: str
    pixels: np.ndarray

    def header(self) -> Header:
        """Return its size."""
        height, width = self.pixels.shape
        return Header(height, width, "L", "")

    def values(self, *, colours: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return the values."""
        return self.pixels

    def announced(self) -> None:
        """Leave it to the pixels."""


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file."""

    path: Path

    @property
    def name(self) -> str:
        """The path, for a message."""
        return printable(self.path)

    def header(self) -> Header:
        """Return what the header says; BadImage where it is of a format that no mask is kept in."""
        header = read_header(self.path)
        if header.format not in FORMATS:
            raise BadImage("mask file", f"{header.format} keeps no exact values; save the mask as PNG", self.name)
        return header

    def values(self, *, colours: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return the values or colours, see above."""
        step = 1 if colours else grey_step(self.path)

        def use(image: ImageFile.ImageFile) -> np.ndarray:
            if image.format not in FORMATS:
                raise BadImage("mask file", f"{image.format} keeps no exact values; save the mask as PNG")
            turned = upright(image)
            return packed(turned) if colours else numbers(turned) // step

        return read_image(self.path, use, max_pixels=max_pixels)

    def announced(self) -> None:
        """Leave it to the pixels."""


def grey_step(path: Path) -> int:
    """Return how far apart Pillow spreads the values of a grey PNG of 2 or 4 bits; 1 of all else."""
    try:
        with path.open("rb") as file:
            head = file.read(26)
    except OSError:  # told by who reads the image
        return 1
    grey = head[:4] == b"\x89PNG" and head[25:26] == b"\0"
    return {2: 85, 4: 17}.get(head[24], 1) if grey else 1


def packed(image: Image.Image) -> np.ndarray:
    """Return colours as one number each, int64 (H, W): red * 65536 + green * 256 + blue."""
    if image.mode.startswith("I") or image.mode == "F":
        raise BadImage("mask file", "16-bit or float values among masks of colours; save it as RGB of 8 bits")
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def numbers(image: Image.Image) -> np.ndarray:
    """Return palette indices or grey values, whole numbers (H, W)."""
    if image.mode == "F":
        raise BadImage("mask file", "float values, which are no class numbers; save it as PNG of 8 or 16 bits")
    if image.mode in AS_COLOURS:
        rgb = np.asarray(image.convert("RGB"))
        if (rgb != rgb[..., :1]).any():
            require_drawn(packed(image))
            raise BadImage(
                "mask value",
                "colours, where classes are values; write 'name r g b' a line into classes.txt, or save grey",
            )
        return rgb[..., 0].astype(np.int64)
    return np.asarray(image if len(image.getbands()) == 1 else image.getchannel(0)).astype(np.int64)


def require_drawn(values: np.ndarray, *, kind: str = "colours", name: str = "", naming: bool = False) -> None:
    """Raise BadImage where a mask has more values than a drawing has. naming: whether a list of classes would help."""
    count = len(np.unique(values))
    if count > MANY:
        hint = ", or name all in classes.txt" if naming else ""
        raise BadImage("mask file", f"{count} {kind}, as a photo has; put the mask in its place{hint}", name)


def require_size(mask: Header, image: Header, name: str, of: str) -> None:
    """Raise BadImage where a mask has another size than its image."""
    if (mask.height, mask.width) == (image.height, image.width):
        return
    turned = image.turned and (mask.width, mask.height) == (image.height, image.width)
    hint = "turn it as EXIF turns the image" if turned else "save the mask of this very image"
    raise BadImage(
        "mask size", f"{mask.width}x{mask.height} pixels, its image {of} has {image.width}x{image.height}; {hint}", name
    )


def values_in(drawing: Drawing, *, colours: bool, max_pixels: int = MAX_PIXELS) -> tuple[int, ...]:
    """Return the values of one mask in ascending order; BadImage where they are more than a drawing has."""
    values = np.unique(drawing.values(colours=colours, max_pixels=max_pixels))
    require_drawn(values, kind="colours" if colours else "values", name=drawing.name, naming=True)
    return tuple(values.tolist())


def coded(classes: Sequence[int], ignored: Sequence[int] = (), *, colours: bool = False) -> Coding:
    """Return the coding of classes that have one value each, in their order; a class goes before what is ignored."""
    return Coding(dict.fromkeys(ignored, IGNORED) | {value: k for k, value in enumerate(classes)}, colours)
