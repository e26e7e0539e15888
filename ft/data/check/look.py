"""One image or text looked at: whether it can be used, how large it is, and what is special about it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, ImageFile

from ft.data.images.decode import UPRIGHT, BadImage, decode, read_image, to_rgb, upright
from ft.data.sources.leaks import hash_file
from ft.data.sources.listing import Entry
from ft.data.sources.policy import Policy
from ft.data.sources.scan import require_width
from ft.data.sources.text import Text
from ft.data.sources.texts.raw import BadText
from ft.errors import DataError, printable

FRAMES, TURNED, TRANSPARENT, PROFILE = "several frames", "turned by EXIF", "transparent", "with a colour profile"
GREY, GREY_16, INK = "grey", "16-bit grey", "CMYK"
MANGLED, CONTROL = "mangled", "with control characters"
MANGLING = "\ufffd|[\u00c3\u00c2][\u0080-\u00bf]|\u00e2\u20ac"  # UTF-8 read as Latin-1 or as Windows has it
CONTROLS = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Look:
    """What one image is: pixels wide and high as seen, bytes on disk, hash of the bytes, and what is special about it.

    Of a text: how many characters and bytes, and the hash of what it is the same by.

    fault: what is wrong with it, in which case there are no pixels; digest is None where even the bytes cannot be had.
    """

    entry: Entry
    width: int = 0
    height: int = 0
    size: int = 0
    digest: bytes | None = None
    traits: tuple[str, ...] = ()
    fault: BadImage | BadText | None = None
    characters: int = 0

    @property
    def name(self) -> str:
        """The image's path in the data."""
        return self.entry.name


def look_at(entry: Entry, policy: Policy) -> Look:
    """Decode one image and return what it is."""
    assert not isinstance(entry.source, Text), "a text has look_at_text"
    try:
        if isinstance(entry.source, np.ndarray):
            height, width = decode(entry.source).shape[:2]
            digest = hashlib.sha256(entry.source.tobytes()).digest()
            return Look(entry, width, height, entry.source.nbytes, digest)
        size = weigh(entry.source)
        width, height, traits = read_image(entry.source, describe, max_pixels=policy.max_pixels)
        digest = digest_of(entry.source)  # behind the look: what is no image may be of any size
    except BadImage as fault:
        return Look(entry, fault=fault)
    try:
        require_width(height, width, policy.short_side)
    except BadImage as fault:
        return Look(entry, width, height, size, digest, traits, fault)
    return Look(entry, width, height, size, digest, traits)


def look_at_text(entry: Entry) -> Look:
    """Return what a text is."""
    text = entry.source
    assert isinstance(text, Text), "an image has look_at"
    parts = (text.line,) if text.pair is None else (text.line, text.pair)
    both = "\0".join(parts)
    rules = {MANGLED: re.search(MANGLING, both), CONTROL: any(map(CONTROLS.search, parts))}
    traits = tuple(trait for trait, there in rules.items() if there)
    digest = hashlib.sha256(text.key.encode()).digest()
    return Look(entry, 0, 0, len(both.encode()), digest, traits, characters=sum(map(len, parts)))


def weigh(path: Path) -> int:
    """Return a file's size."""
    try:
        if path.is_file():
            return path.stat().st_size
        reason = f"cannot be read ({'not a file' if path.exists() else 'no such file'})"
    except OSError as error:
        reason = str(error)
    raise BadImage("unreadable", reason)


def digest_of(path: Path) -> bytes:
    """Return the hash of a file's bytes."""
    try:
        return hash_file(path)
    except DataError as error:
        raise BadImage("unreadable", str(error).removeprefix(f"{printable(path)}: ")) from None


def describe(image: ImageFile.ImageFile) -> tuple[int, int, tuple[str, ...]]:
    """Return the width and height of a loaded image as it is seen, and what is special about it."""
    traits = {
        FRAMES: bool(getattr(image, "is_animated", False)) or "mp" in image.info,
        TRANSPARENT: image.has_transparency_data,
        PROFILE: bool(image.info.get("icc_profile")),
        GREY: image.mode in ("1", "L", "LA"),
        GREY_16: image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"),
        INK: image.mode == "CMYK",
        TURNED: is_turned(image),
    }
    width, height = to_rgb(upright(image)).size  # all that `decode` does, so that a look finds all that it would
    return width, height, tuple(trait for trait, there in traits.items() if there)


def is_turned(image: ImageFile.ImageFile) -> bool:
    """Tell whether EXIF says that the image is to be turned or mirrored."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in UPRIGHT
    except Exception:  # as in `upright`: EXIF that cannot be read is ignored
        return False
