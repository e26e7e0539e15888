"""What the header of an image file says, without decoding a pixel: cheap enough for every file of a data set."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, ImageFile

from ft.data.images.decode import (
    HEAD_BYTES,
    READERS,
    BadImage,
    describe_stranger,
    explained,
    open_file,
    why_unopened,
)
from ft.errors import printable

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


@dataclass(frozen=True)
class Header:
    """The size of an image as it is seen, Pillow's names of its mode and format, and whether EXIF turns it."""

    height: int
    width: int
    mode: str
    format: str
    turned: bool = False


def read_header(path: Path) -> Header:
    """Return what the header of an image file says; BadImage where it is none."""
    name = printable(path)
    try:
        file = open_file(path)
    except OSError as error:
        raise BadImage("unreadable", why_unopened(error), name) from None
    with file, explained(name):
        head = file.read(HEAD_BYTES)
        reader = next((kind for magic, kind in READERS.items() if re.match(magic, head, re.DOTALL)), None)
        if reader is None:
            raise BadImage("wrong type" if head else "empty", describe_stranger(head))
        file.seek(0)
        return header_of(reader(file))


def header_at(source: Path | np.ndarray) -> Header:
    """Return the header of an image file, or what one would say of pixels in memory."""
    if isinstance(source, Path):
        return read_header(source)
    height, width = source.shape[:2]
    return Header(height, width, "RGB", "")


def header_of(image: ImageFile.ImageFile) -> Header:
    """Return the header of an image that is open."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    except Exception:  # as in `decode`: EXIF that cannot be read is ignored
        turned = False
    width, height = image.size[::-1] if turned else image.size
    return Header(height, width, image.mode, image.format or "", turned)
