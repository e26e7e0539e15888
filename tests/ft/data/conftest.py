"""What the data tests share: pixels with structure, files written in one line, images encoded in memory."""

import io

import numpy as np
import pytest
from PIL import Image


def make_pixels(height=37, width=53, seed=0):
    """Return smooth but lively uint8 (height, width, 3): JPEG keeps it roughly, every pixel row differs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def pixels():
    return make_pixels


@pytest.fixture
def encode():
    def encode(image, kind="PNG", **options):
        buffer = io.BytesIO()
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_tree(tmp_path):
    """Write files below tmp_path/data, each with bytes of its own unless given: the index never decodes."""

    def write(*names, **given):
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(given.get("content") or b"bytes of " + name.encode("utf-8", "surrogateescape"))
        return root

    return write
