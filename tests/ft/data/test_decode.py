"""Every kind of file that users have: the pixels by the written rules, or one line that names the file."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from ft.data.images.decode import BadImage, decode
from ft.errors import DataError, printable

ENCODINGS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_deflate"}),
    ("PPM", {}),
]


def refuse(source, *words, **options):
    """Assert that `source` is refused in one line that holds all the words, and return the line."""
    with pytest.raises(DataError) as caught:
        decode(source, **options)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line
    return line


# ---- formats and modes


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_return_the_pixels(kind, pixels, encode):
    assert np.array_equal(decode(encode(pixels(), kind)), pixels())


def test_jpeg_pixels_are_pillows(pixels, encode):
    data = encode(pixels(), "JPEG")
    assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.jpg"), ("JPEG", "a.png"), ("JPEG", "a.JFIF")])
def test_content_decides_not_the_name(kind, name, tmp_path, pixels, encode):
    data = encode(pixels(), kind)
    (tmp_path / name).write_bytes(data)
    assert np.array_equal(decode(tmp_path / name), np.asarray(Image.open(io.BytesIO(data))))


def test_grey_and_bilevel_are_repeated(pixels, encode):
    grey = Image.fromarray(pixels()).convert("L")
    assert np.array_equal(decode(encode(grey)), np.repeat(np.asarray(grey)[..., None], 3, 2))
    bilevel = grey.convert("1")
    assert np.array_equal(decode(encode(bilevel))[..., 1], np.where(np.asarray(bilevel), 255, 0))


def test_alpha_is_composited_on_white(encode):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 51, 255  # black at 0 %, 20 % and 100 %
    assert decode(encode(rgba))[0, :, 0].tolist() == [255, 204, 0]
    assert decode(encode(Image.fromarray(rgba).convert("LA")))[0, :, 2].tolist() == [255, 204, 0]


def test_transparent_palette_and_colour_become_white(encode):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        assert decode(encode(palette, kind, transparency=0)).tolist() == [[[255] * 3, [40, 50, 60]]]
    rgb = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert decode(encode(rgb, transparency=(1, 2, 3))).tolist() == [[[255] * 3, [4, 5, 6]]]


def test_cmyk_is_converted_by_pillow(encode):
    ink = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    red, green, blue = decode(encode(ink, "JPEG", quality=95))[4, 4]
    assert red < 10
    assert green > 245
    assert blue > 245


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind, encode):
    values = np.array([[0, 128, 129, 257, 32768, 65278, 65407, 65535]], np.uint16)
    assert decode(encode(values, kind))[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]


def test_16_bit_pgm_is_scaled_like_png():
    assert decode(b"P5 2 1 65535\n" + struct.pack(">2H", 32768, 65535))[0, :, 0].tolist() == [128, 255]


@pytest.mark.parametrize(("mode", "kind"), [("F", "TIFF"), ("I", "TIFF")])
def test_pixels_without_a_known_range_are_refused(mode, kind, encode):
    refuse(encode(Image.new(mode, (3, 2)), kind), "float or 32-bit", "convert it")


def test_icc_profile_is_ignored(pixels, encode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(decode(encode(pixels(), icc_profile=profile)), pixels())


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_many(kind, pixels, encode):
    first, second = Image.new("RGB", (16, 16), (200, 30, 40)), Image.new("RGB", (16, 16), (0, 0, 255))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert np.abs(decode(data).astype(int) - np.array([200, 30, 40])).max() < 8


# ---- EXIF


TURNS = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", [*TURNS, 0, 9])
def test_exif_orientation_is_applied(orientation, pixels, encode):
    exif = Image.Exif()
    exif[274] = orientation
    turned = TURNS.get(orientation, TURNS[1])(pixels())
    assert np.array_equal(decode(encode(pixels(), exif=exif)), turned)


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_unreadable_exif_is_ignored(kind, options, pixels, encode):
    data = encode(pixels(), kind, exif=b"Exif\0\0" + b"\xff" * 40, **options)
    assert np.array_equal(decode(data), decode(encode(pixels(), kind, **options)))


# ---- damage


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("kind", "options"), ENCODINGS)
def test_truncated_files_are_refused(kind, options, share, tmp_path, pixels, encode):
    data = encode(pixels(90, 70), kind, **options)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    refuse(path, str(path), "copy it again, or leave it out with --on-bad-image skip")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_needs_every_byte(progressive, pixels, encode):
    data = encode(pixels(), "JPEG", progressive=progressive)
    for cut in (1, 2, len(data) // 100):
        refuse(data[:-cut], "truncated")


def test_a_png_may_lack_its_end_mark(pixels, encode):
    assert np.array_equal(decode(encode(pixels())[:-12]), pixels())


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@pytest.mark.parametrize(("kind", "options"), ENCODINGS)
def test_flipped_bits_give_pixels_or_one_line(kind, options, pixels, encode):
    data, rng = encode(pixels(20, 30), kind, **options), np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for place in rng.integers(len(data), size=3):
            broken[place] ^= 1 << rng.integers(8)
        with contextlib.suppress(DataError):  # any other exception fails
            assert decode(bytes(broken), max_pixels=100_000).shape[2] == 3


def test_empty_and_missing_files(tmp_path):
    (tmp_path / "a.jpg").touch()
    refuse(tmp_path / "a.jpg", "a.jpg: empty file")
    refuse(tmp_path / "b.jpg", "b.jpg: does not exist; correct the path")
    refuse(tmp_path, "a folder; expected the file of an image")


@pytest.mark.parametrize(
    ("head", "start"),
    [
        (b"<html><body>404", "<html"),
        (b"\n <!DOCTYPE html>", "<!DOCTYPE"),
        (b'{"error": 404}', "{"),
        (b"\xef\xbb\xbf<svg xmlns", "<svg"),
    ],
)
def test_error_pages_are_told_as_such(head, start):
    refuse(head, f"not an image (starts with {start})")


@pytest.mark.parametrize(
    "head", [b"8BPS\0\1", b"%!PS-Adobe", b"%PDF-1.7", b"\0\0\0\x18ftypheic", b"P", b"Pf\n1 1\n", b"RIFF\0\0\0\0WAVE"]
)
def test_other_formats_are_refused(head):
    refuse(head + bytes(99), "format not in the allow-list", "convert it to JPEG")


# ---- size


def png_that_says(width, height):
    """Return a PNG of a few bytes whose header declares that size."""
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_size_is_checked_before_pixels_are_allocated(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_says(30_000, 30_000))
    code = (
        "import resource, sys; from ft.data.images.decode import *\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))\n"
        "try: decode(Path(sys.argv[1]))\n"
        "except DataError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "bomb.png")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "bomb.png: 30000x30000 pixels, more than the 89478485 allowed" in run.stdout
    assert run.stderr == ""


def test_the_limit_is_the_callers(pixels, encode):
    data = encode(pixels(10, 20))
    assert decode(data, max_pixels=200).shape == (10, 20, 3)
    refuse(data, "20x10 pixels, more than the 199 allowed", "raise max_pixels", max_pixels=199)
    # Above Pillow's own limit too, where Image.open would refuse or warn: all that is wrong here is the missing data.
    refuse(png_that_says(14_000, 14_000), "cannot be decoded", max_pixels=200_000_000)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_pillows_own_limit_is_told_as_one(kind, pixels, encode, monkeypatch):
    content = encode(pixels(40, 40), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    with pytest.raises(BadImage, match="more pixels than Pillow reads of this format; shrink it") as caught:
        decode(content)
    assert caught.value.kind == "huge"


def test_one_pixel(encode):
    assert decode(encode(np.full((1, 1, 3), 7, np.uint8))).tolist() == [[[7, 7, 7]]]


# ---- arrays, names, threads


def test_pixels_in_memory():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(decode(grey), np.stack([grey] * 3, 2))
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert np.array_equal(decode(rgb), rgb)
    for wrong in (rgb.astype(np.float32), rgb[..., :2], rgb[None], grey[0], grey[:0]):
        refuse(wrong, "expected uint8 (H, W) or (H, W, 3)")


def test_names_are_shown_in_one_line(tmp_path):
    (tmp_path / "two\nlines.jpg").touch()
    refuse(tmp_path / "two\nlines.jpg", "two\\nlines.jpg: empty file")
    assert printable("caf\udce9 é 🐈\t") == "caf\\udce9 é 🐈\\t"


def test_threads_decode_what_one_thread_decodes(pixels, encode):
    files = [encode(pixels(40 + i, 50, seed=i), ENCODINGS[i % 9][0], **ENCODINGS[i % 9][1]) for i in range(45)]
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(a, decode(b)) for a, b in zip(pool.map(decode, files), files, strict=True))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_one_channel_is_pillows_luma(mode, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "a.png")
    grey, colours = (decode(tmp_path / "a.png", channels=channels) for channels in (1, 3))
    assert grey.shape == (5, 7, 1)
    np.testing.assert_array_equal(grey[:, :, 0], np.asarray(Image.fromarray(colours).convert("L")))
    if mode in ("L", "I;16"):
        np.testing.assert_array_equal(grey, colours[:, :, :1])


def test_four_channels_keep_colours_under_their_alpha(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png", channels=4), pixels)
    np.testing.assert_array_equal(decode(pixels, channels=4), pixels)
    opaque = decode(pixels[:, :, :3].copy(), channels=4)
    np.testing.assert_array_equal(opaque[:, :, :3], pixels[:, :, :3])
    assert (opaque[:, :, 3] == 255).all()
