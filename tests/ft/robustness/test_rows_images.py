"""Rows 1 to 19: single image files."""

import contextlib
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from ft.data import Policy, Preprocess, Sample, decode, open_dataset
from ft.errors import DataError
from tests.ft.data.made import made
from tests.ft.robustness.conftest import encode, make_pixels

PREPROCESS = Preprocess(36, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def refuse(data, words, **options):
    """Assert that the bytes of an image are refused in one line with these words."""
    with pytest.raises(DataError) as caught:
        decode(data, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_row_01_empty_file(reported_and_skipped):
    reported_and_skipped(b"", kind="empty", words="empty file")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_row_02_truncated_baseline_jpeg(share, reported_and_skipped):
    data = encode(make_pixels(height=90, width=120), "JPEG", quality=95)
    reported_and_skipped(data[: int(share * len(data))], kind="truncated", words="truncated")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_row_03_truncated_progressive_jpeg(share, reported_and_skipped):
    data = encode(make_pixels(height=90, width=120), "JPEG", quality=95, progressive=True)
    reported_and_skipped(data[: int(share * len(data))], kind="truncated", words="truncated")


def test_row_04_jpeg_without_its_end_mark(reported_and_skipped):
    data = encode(make_pixels(), "JPEG")
    assert data[-2:] == b"\xff\xd9"
    reported_and_skipped(data[:-2], kind="truncated", words="truncated")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_row_05_flipped_bits_in_a_jpeg(progressive):
    data, rng = encode(make_pixels(), "JPEG", progressive=progressive), np.random.default_rng(5)
    outcomes = set()
    for _ in range(150):
        broken = bytearray(data)
        broken[rng.integers(len(data) // 3, len(data) - 2)] ^= 1 << rng.integers(8)
        outcomes.add("refused")
        with contextlib.suppress(DataError):  # anything else is a crash
            outcomes.add(decode(bytes(broken), max_pixels=100_000).shape[2])
    assert outcomes == {"refused", 3}


@pytest.mark.parametrize(
    ("content", "start"), [(b"<!doctype html><html>404", "<!doctype"), (b"<html>login", "<html"), (b'{"e": 1}', "{")]
)
def test_row_06_error_page(content, start, reported_and_skipped):
    reported_and_skipped(content, kind="wrong type", words=f"not an image (starts with {start})")


def test_row_07_content_decides(folder, checked):
    (folder / "cat/really a png.jpg").write_bytes(encode(make_pixels(50)))
    (folder / "dog/really a jpeg.png").write_bytes(encode(make_pixels(51), "JPEG"))
    assert np.array_equal(decode(folder / "cat/really a png.jpg"), make_pixels(50))
    assert not any(finding.level == "error" for finding in checked().values())


def test_row_08_extensions(folder, checked):
    for name in ("a.JPG", "b.JPEG", "c.jfif", "d", "e.txt"):
        (folder / "cat" / name).write_bytes(encode(make_pixels(ord(name[0])), "JPEG"))
    data = open_dataset(str(folder))
    assert {"cat/a.JPG", "cat/b.JPEG", "cat/c.jfif"} <= {s.name for s in data.train + data.val}
    assert data.notes == ("ignored, no image by its extension: 2 (cat/d, cat/e.txt)",)
    assert [name for name, _ in checked()["no image"].items] == ["cat/d", "cat/e.txt"]


INKS = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0), (100, 50, 20, 30)]
COLOURS = [(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0), (255, 255, 255), (137, 181, 207)]


def test_row_09_cmyk_and_ycck(folder, checked):
    for ink, colour in zip(INKS, COLOURS, strict=True):
        data = encode(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100)
        assert np.abs(decode(data)[8, 8].astype(int) - np.array(colour)).max() <= 2, ink
    mark = data.index(b"Adobe") + 11  # the transform: 0 is CMYK, 2 is YCCK
    assert data[mark] == 0
    turned = decode(data[:mark] + b"\2" + data[mark + 1 :])
    assert np.array_equal(turned[8, 8], [0, 179, 0])  # by hand: the inks taken for Y, Cb, Cr, K
    (folder / "cat/ink.jpg").write_bytes(data)
    assert checked()["trait"].title.startswith("CMYK images: converted to RGB")


def test_row_10_grey_bilevel_and_grey_with_alpha():
    grey = Image.fromarray(make_pixels()).convert("L")
    values = np.asarray(grey)[..., None]
    assert np.array_equal(decode(encode(grey)), np.repeat(values, 3, 2))
    assert np.array_equal(decode(encode(grey.convert("LA"))), np.repeat(values, 3, 2))
    assert set(np.unique(decode(encode(grey.convert("1"))))) == {0, 255}


def test_row_11_transparency_is_composited_on_white():
    rgba = np.array([[[200, 0, 0, 0], [200, 0, 0, 51], [200, 0, 0, 255]]], np.uint8)
    assert decode(encode(rgba)).tolist() == [[[255, 255, 255], [244, 204, 204], [200, 0, 0]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        assert decode(encode(palette, kind, transparency=0)).tolist() == [[[255] * 3, [40, 50, 60]]]


def test_row_12_sixteen_bits_and_floats(reported_and_skipped):
    values = np.array([[0, 128, 257, 32768, 65278, 65535]], np.uint16)
    assert decode(encode(values))[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255]
    assert decode(encode(values, "TIFF"))[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255]
    floats = encode(Image.new("F", (3, 2)), "TIFF")
    reported_and_skipped(floats, kind="no range", words="float or 32-bit", name="cat/bad.tif")


def test_row_13_exif(folder, checked):
    turns = {2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: lambda x: x.swapaxes(0, 1)}
    turns |= {6: lambda x: np.rot90(x, -1), 7: lambda x: np.rot90(x, 2).swapaxes(0, 1), 8: np.rot90}
    for orientation, turn in turns.items():
        exif = Image.Exif()
        exif[274] = orientation
        assert np.array_equal(decode(encode(make_pixels(), exif=exif)), turn(make_pixels())), orientation
    damaged = encode(make_pixels(), exif=b"Exif\0\0" + b"\xff" * 40)
    assert np.array_equal(decode(damaged), make_pixels())
    (folder / "cat/turned.png").write_bytes(encode(make_pixels(60), exif=exif))
    assert checked()["trait"].title == "images turned by EXIF: they are turned upright"


def test_row_14_icc_profile_is_ignored(folder, checked):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encode(make_pixels(61), icc_profile=profile)
    assert np.array_equal(decode(data), make_pixels(61))
    (folder / "cat/profile.png").write_bytes(data)
    assert (checked()["trait"].count, "profile" in checked()["trait"].title) == (1, True)


@pytest.mark.parametrize(
    ("kind", "end"), [("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png"), ("TIFF", "tif"), ("MPO", "jpg")]
)
def test_row_15_the_first_frame_of_many(kind, end, folder, checked):
    first, second = Image.new("RGB", (32, 32), (200, 30, 40)), Image.new("RGB", (32, 32), (0, 0, 255))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert np.abs(decode(data).astype(int) - np.array([200, 30, 40])).max() < 8
    (folder / f"cat/many.{end}").write_bytes(data)
    assert checked()["trait"].title == "images of several frames: the first one is used"


def test_row_16_one_pixel_and_a_thread(reported_and_skipped):
    for pixels in (np.zeros((1, 1, 3), np.uint8), np.zeros((1, 40, 3), np.uint8)):
        (batch,) = made([Sample("x", 0, pixels)], PREPROCESS, batch_size=1).epoch(0)
        assert batch.inputs.shape == (1, 32, 32, 3)
    thread = encode(np.zeros((1, 5000, 3), np.uint8))
    reported_and_skipped(thread, kind="narrow", words="5000x1 pixels, too narrow to be resized to 256")


def bomb(width=30_000, height=30_000):
    """Return a PNG of a few bytes whose header declares that size."""
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS and /proc are Linux's")
def test_row_17_a_bomb_is_refused_before_it_is_allocated(folder, reported_and_skipped):
    reported_and_skipped(bomb(), kind="huge", words="30000x30000 pixels, more than the 89478485 allowed")
    (folder / "cat/bomb.png").write_bytes(bomb())
    code = (
        "import resource, sys; from pathlib import Path; from ft.data import Policy\n"
        "from ft.data.check.check import *\n"
        "import ft.report.data, PIL.PngImagePlugin\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000,) * 2)  # the bomb wants 2.7 GB\n"
        "check = check_data(sys.argv[1], policy=Policy(workers=1))\n"
        "print([f.kind for f in check.findings if f.level == 'error'])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "['huge']\n", done.stderr


def test_row_18_the_limit_can_be_raised(folder):
    large = make_pixels(7, 60, 80)
    (folder / "cat/large.png").write_bytes(encode(large))
    low = Policy(on_bad_image="skip", max_bad_fraction=0.5, max_pixels=60 * 80 - 1)
    assert open_dataset(str(folder), policy=low).skipped == ("cat/large.png",)
    assert open_dataset(str(folder), policy=Policy(on_bad_image="skip", max_pixels=60 * 80)).skipped == ()
    sample = Sample("large", 0, folder / "cat/large.png")
    with pytest.raises(DataError, match=r"large\.png: 80x60 pixels, more than the 4799 allowed.*raise max_pixels"):
        next(made([sample], PREPROCESS, batch_size=1, max_pixels=4799).epoch(0))
    next(made([sample], PREPROCESS, batch_size=1, max_pixels=4800).in_order().epoch(0))


@pytest.mark.parametrize("head", [b"8BPS\0\1", b"%!PS-Adobe", b"%PDF-1.7", b"\0\0\0\x18ftypheic"])
def test_row_19_other_formats(head, reported_and_skipped):
    reported_and_skipped(head + bytes(99), kind="wrong type", words="format not in the allow-list")
    refuse(b'<svg xmlns="', "not an image (starts with <svg)")
