"""Masks in colour: alone, as the palette of a PNG, and over their picture."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ft.metrics.pixels import LEFT_OUT
from ft.report.thumbnails import data_uri

EDGE = (224, 224, 192)  # of pixels that do not count


def palette(own: Sequence[int] = ()) -> np.ndarray:
    """Return the colours of 256 classes, uint8 (256, 3), those of Pascal VOC: class 0 is black, neighbours differ.

    own: those of the first classes that the data has, red * 65536 + green * 256 + blue each.
    Bit 0 of a class is the highest bit of red, bit 1 of green, bit 2 of blue, bit 3 the next one of red, and so on.
    """
    classes, colours = np.arange(256), np.zeros((256, 3), np.int64)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= (classes >> (3 * place + channel) & 1) << (7 - place)
    colours[LEFT_OUT] = EDGE
    for k, colour in enumerate(own):
        colours[k] = colour >> 16, colour >> 8 & 255, colour & 255
    return colours.astype(np.uint8)


def as_png(mask: np.ndarray, colours: Sequence[int] = ()) -> bytes:
    """Return class numbers uint8 (H, W) as a PNG with a palette: its values are the classes, a viewer shows colours."""
    picture, content = Image.fromarray(mask), io.BytesIO()
    picture.putpalette(palette(colours).tobytes())
    picture.save(content, "PNG")
    return content.getvalue()


def overlay(picture: np.ndarray, mask: np.ndarray, colours: Sequence[int] = ()) -> np.ndarray:
    """Return a picture uint8 (H, W, 3) with a mask's colours half over it; class 0 leaves it as it is."""
    mixed = (picture.astype(np.uint16) + palette(colours)[mask]) // 2
    return np.where((mask > 0)[..., None], mixed, picture).astype(np.uint8)


def as_jpeg(picture: np.ndarray) -> bytes:
    """Return a picture uint8 (H, W, 3) as a JPEG."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=85)
    return content.getvalue()


def as_uri(picture: np.ndarray) -> str:
    """Return a picture uint8 (H, W, 3) as a data URI."""
    return data_uri(as_jpeg(picture), "jpeg")
