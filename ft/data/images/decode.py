"""Bytes of an image file -> the same uint8 RGB pixels for both wings, or a DataError that names the file.

The rules, so that nothing is silently lost:

    L, 1             the grey value three times
    one channel      where a network takes grey images: Pillow's luma (ITU-R 601) of the RGB below
    four channels    where it takes alpha: RGB as it is under its alpha, nothing composited, opaque where there is none
    16-bit grey      rounded to value / 257, so that 65535 is white (16-bit colour: Pillow keeps the high byte)
    alpha            LA, RGBA, transparent palettes and colours: composited on white
    CMYK, YCCK       Pillow's conversion, without colour management
    float, 32-bit    refused, for their range is not known
    ICC profile      ignored: pixels are taken as sRGB, as torchvision does
    EXIF             the orientation is applied; EXIF that cannot be read is ignored
    animations       the first frame, also of multi-page TIFF and MPO
    damage           an error unless the decoder got every pixel. So a PNG may lack its end mark; a JPEG may not
"""

import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ft.errors import DataError, printable

# The first bytes decide, never the file's extension. Image.open(formats=...) would do the same, but it warns about
# large images before they can be refused, through process-wide state that no thread can silence, and caps max_pixels.
READERS: dict[bytes, type[ImageFile.ImageFile]] = {
    rb"\xff\xd8\xff": JpegImageFile,
    rb"\x89PNG\r\n\x1a\n": PngImageFile,
    rb"BM": BmpImageFile,
    rb"GIF8[79]a": GifImageFile,
    rb"RIFF....WEBP": WebPImageFile,
    rb"II[*+]\0|MM\0[*+]": TiffImageFile,
    rb"P[1-6]\s": PpmImageFile,
}
HEAD_BYTES = 64
MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MB of RGB
IN_MEMORY = "image in memory"
LEAVE_OUT = "or leave it out with --on-bad-image skip"
LOADING = Lock()  # Pillow does not load one image in two threads
Result = TypeVar("Result")

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(DataError):
    """One image that cannot be used. kind: one of KINDS; reason: what is wrong and what to do, without the name."""

    def __init__(self, kind: str, reason: str, name: str = "") -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.kind, self.reason = kind, reason


KINDS = {
    "unreadable": "cannot be opened",
    "empty": "empty files",
    "wrong type": "no image, or of a format that is not read",
    "truncated": "cut off",
    "damaged": "damaged",
    "huge": "more pixels than max_pixels",
    "no range": "float or 32-bit pixels",
    "narrow": "too narrow to be resized",
}


def decode(
    source: Path | bytes | np.ndarray | Image.Image,
    *,
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
    short_side: int | None = None,
) -> np.ndarray:
    """Return an image as uint8 (H, W, C), read-only where it comes from a file. Safe to call from many threads.

    source: a file, its bytes, uint8 pixels (H, W) or (H, W, 3), or an image that Pillow opened; channels: 1 (grey), 3
    (RGB) or 4 (with alpha); max_pixels: width times height of a file, checked before any pixel is allocated;
    short_side: pixels of its short side that are enough: a JPEG is decoded at a half, a quarter or an eighth where that
    leaves so many. Whatever is wrong with the image raises DataError, but for an array BadImage.
    """
    if isinstance(source, np.ndarray):
        return to_channels(check_pixels(source, channels), channels)
    if isinstance(source, Image.Image):
        with explained(IN_MEMORY):
            with LOADING:
                source.load()
            return pixels_of(upright(source), channels)

    def use(image: Image.Image) -> np.ndarray:
        return pixels_of(upright(image), channels)

    return read_image(source, use, max_pixels=max_pixels, short_side=short_side)


def pixels_of(image: Image.Image, channels: int) -> np.ndarray:
    """Return the pixels of a Pillow image, uint8 (H, W, channels)."""
    return np.asarray(with_alpha(image)) if channels == 4 else to_channels(np.asarray(to_rgb(image)), channels)


def read_image(
    source: Path | bytes,
    use: Callable[[ImageFile.ImageFile], Result],
    *,
    max_pixels: int = MAX_PIXELS,
    short_side: int | None = None,
) -> Result:
    """Return what `use` makes of the loaded image; BadImage where the image cannot be loaded or used."""
    name = IN_MEMORY if isinstance(source, bytes) else printable(source)
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else open_file(source)
    except OSError as error:
        raise BadImage("unreadable", why_unopened(error), name) from None
    with file, explained(name):
        return use(load(file, max_pixels, short_side))


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn whatever is raised while the image `name` is decoded into BadImage."""
    try:
        yield
    except BadImage as error:
        raise BadImage(error.kind, error.reason, name) from None
    except Image.DecompressionBombError:  # of TIFF and WebP, whose readers have a limit of their own
        raise BadImage("huge", "more pixels than Pillow reads of this format; shrink it", name) from None
    except Exception as error:  # what decoders raise on damaged files is not enumerable
        reason = " ".join(str(error).split()) or type(error).__name__
        kind = "truncated" if "truncated" in reason.lower() else "damaged"
        raise BadImage(kind, f"cannot be decoded ({reason}); copy it again, {LEAVE_OUT}", name) from None


def why_unopened(error: OSError) -> str:
    """Return what is said of a file that cannot be opened."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "does not exist; correct the path"
    if isinstance(error, IsADirectoryError):
        return "a folder; expected the file of an image"
    return f"cannot be read ({error.strerror}); mend that, {LEAVE_OUT}"


def open_file(path: Path) -> BinaryIO:
    """Open a file to read; what could block for ever or never end is not opened."""
    if "\0" in str(path):  # which the system calls a mistake of the program
        raise FileNotFoundError
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(0, "a pipe, socket or device, which is never opened")
    return path.open("rb")


def check_pixels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return uint8 pixels (H, W) or (H, W, 3) as (H, W, 3), and (H, W, channels) as they are."""
    shapes = dict.fromkeys(((), (3,), (channels,)))
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in shapes or not pixels.size:
        other = "" if channels == 3 else f" or (H, W, {channels})"
        raise DataError(
            f"image in memory: got {pixels.dtype} {pixels.shape}; expected uint8 (H, W) or (H, W, 3){other}"
        )
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return RGB pixels (H, W, 3) as grey (H, W, 1), as they are, or with alpha, opaque everywhere: (H, W, 4)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return np.asarray(Image.fromarray(pixels).convert("RGBA"))


def load(file: BinaryIO, max_pixels: int, short_side: int | None) -> ImageFile.ImageFile:
    """Return the decoded first frame of an image in one of the accepted formats; a JPEG reduced where that will do."""
    head = file.read(HEAD_BYTES)
    reader = next((kind for magic, kind in READERS.items() if re.match(magic, head, re.DOTALL)), None)
    if reader is None:
        raise BadImage("wrong type" if head else "empty", describe_stranger(head))
    file.seek(0)
    image = reader(file)
    if image.width * image.height > max_pixels:
        raise BadImage(
            "huge",
            f"{image.width}x{image.height} pixels, more than the {max_pixels} allowed; shrink it or raise max_pixels",
        )
    if short_side:  # libjpeg leaves out what the smaller size does not need; formats other than JPEG decode in full
        image.draft(None, (short_side, short_side))
    image.load()
    return image


def describe_stranger(head: bytes) -> str:
    """Return the message for a file that is none of our formats."""
    if not head:
        return f"empty file; copy it again, {LEAVE_OUT}"
    text = re.match(rb"(?:\xef\xbb\xbf)?\s*(<[!?]?\w*|[{\[])", head)
    if text:
        return f"not an image (starts with {text[1].decode()}); download it again, {LEAVE_OUT}"
    return (
        f"format not in the allow-list (starts with {head[:8].decode('latin-1')!r}); "
        "convert it to JPEG, PNG, BMP, GIF, WebP, TIFF or PPM"
    )


def upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF orientation says; only the pixels matter, so the tag is left as it is."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # EXIF is somebody else's damage; the pixels are fine
        return image
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def to_rgb(image: Image.Image) -> Image.Image:
    """Return any Pillow image as mode RGB, by the rules at the top of this file."""
    image = to_8_bits(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def with_alpha(image: Image.Image) -> Image.Image:
    """Return any Pillow image as mode RGBA, its colours as they are under their alpha; opaque where it has none."""
    return to_8_bits(image).convert("RGBA")


def to_8_bits(image: Image.Image) -> Image.Image:
    """Return an image of any mode with 8 bits a channel, or refuse it."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):  # PPM scales to 16 bits
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise BadImage("no range", "float or 32-bit pixels, whose range is not known; convert it to 8 or 16 bits")
    return image
