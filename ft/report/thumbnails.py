"""Images small enough to be part of a page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ft.data.images.decode import MAX_PIXELS, decode
from ft.errors import DataError

SIDE = 128  # pixels, the longer one
EXACT = 64  # up to here nothing is lost: small images are drawn large


def thumbnail(source: Path | np.ndarray | Image.Image, *, side: int = SIDE, max_pixels: int = MAX_PIXELS) -> str | None:
    """Return an image as a data URI of a few kilobytes; None where it cannot be read any more."""
    try:
        image = Image.fromarray(np.asarray(decode(source, max_pixels=max_pixels)))
    except DataError:
        return None
    image.thumbnail((side, side))
    kind = "png" if max(image.size) <= EXACT else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind.upper())
    return data_uri(buffer.getvalue(), kind)


def data_uri(content: bytes, kind: str) -> str:
    """Return the bytes of a "png" or "jpeg" as a URI that holds them."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
