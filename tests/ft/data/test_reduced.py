"""JPEGs decoded at a half, a quarter or an eighth: by a stated rule, close to the whole image, and only where asked."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import ft
from ft.data import Preprocess, Sample, decode
from ft.data.images.augment import draw_crop, short_side_for
from ft.errors import DataError
from ft.noise import generator
from tests.ft.data.made import made

WAY = Preprocess(32, 28, "bilinear", (0.0,) * 3, (1 / 255,) * 3)
REDUCED = replace(WAY, jpeg="reduced")


def shrunk(pixels, factor):
    """Return the mean of every square of factor x factor pixels."""
    height, width = (side // factor * factor for side in pixels.shape[:2])
    squares = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    return squares.mean((1, 3))


@pytest.mark.parametrize(("short_side", "factor"), [(40, 8), (50, 8), (51, 4), (100, 4), (101, 2), (200, 2), (201, 1)])
def test_the_smallest_that_is_large_enough(short_side, factor, pixels, encode):
    data = encode(pixels(400, 560), "JPEG", quality=95)
    small = decode(data, short_side=short_side)
    assert small.shape == (400 // factor, 560 // factor, 3)
    assert np.abs(small - shrunk(decode(data).astype(float), factor)).mean() < 1


def test_sides_are_rounded_up_and_turned_as_exif_says(pixels, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(pixels(401, 563), "JPEG", exif=exif)
    assert decode(data, short_side=100).shape == (141, 101, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_other_formats_are_decoded_in_full(kind, pixels, encode):
    data = encode(pixels(400, 560), kind)
    np.testing.assert_array_equal(decode(data, short_side=50), decode(data))


def test_grey_cmyk_and_broken_ones(pixels, encode):
    picture = Image.fromarray(pixels(400, 560))
    for mode in ("L", "CMYK"):
        assert decode(encode(picture.convert(mode), "JPEG"), short_side=50).shape == (50, 70, 3)
    with pytest.raises(DataError, match="cannot be decoded"):
        decode(encode(picture, "JPEG")[:-200], short_side=50)
    with pytest.raises(DataError, match="more than the 1000 allowed"):
        decode(encode(picture, "JPEG"), short_side=50, max_pixels=1000)


def image(way, path, **options):
    return made([Sample("a", 0, path)], way, batch_size=1, **options).read(0, 0)


def test_what_the_network_sees_is_nearly_the_same(tmp_path, pixels, encode):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(pixels(600, 800), "JPEG", quality=95))
    full, reduced = image(WAY, path), image(REDUCED, path)
    assert 0 < np.abs(full - reduced).max() < 8  # of 255
    path.write_bytes(encode(pixels(127, 800), "JPEG"))  # a half would be less than twice 32
    np.testing.assert_array_equal(image(WAY, path), image(REDUCED, path))


def test_no_random_crop_is_enlarged_for_it(tmp_path, pixels, encode):
    side = short_side_for(28)
    boxes = [draw_crop(side, 2 * side, generator(0, "augment", 0, i)) for i in range(3000)]
    assert min(min(height, width) for _, _, height, width in boxes) >= 28
    path = tmp_path / "a.jpg"
    for height, same in ((2 * side - 1, True), (2 * side, False)):
        path.write_bytes(encode(pixels(height, 300), "JPEG"))
        views = [image(way, path, augment="crop-flip") for way in (WAY, REDUCED)]
        assert np.array_equal(*views) == same


def test_a_run_keeps_to_it(tmp_path, pixels, encode, fake_wing):
    for number, label in enumerate(("cat", "dog")):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(6):
            data = encode(pixels(300, 400, seed=10 * number + i), "JPEG")
            (tmp_path / "pets" / label / f"{i}.jpg").write_bytes(data)
    fields = {"model": "resnet18", "weights": "none", "image_size": 16, "epochs": 1, "data": str(tmp_path / "pets")}
    run = ft.finetune(**fields, jpeg="reduced", out=tmp_path / "run", backend="torch", quiet=True)
    again = ft.Run(tmp_path / "run", backend="torch")
    assert again.preprocess.jpeg == "reduced"
    assert again.evaluate()["loss"] == pytest.approx(run.metrics["loss"], rel=1e-9)
    full = ft.finetune(**fields, out=tmp_path / "full", backend="torch", quiet=True)
    assert full.metrics["loss"] != run.metrics["loss"]


def test_only_two_words_are_known():
    with pytest.raises(DataError, match="jpeg"):
        replace(WAY, jpeg="half")
    assert Preprocess.from_dict(REDUCED.to_dict()) == REDUCED
    assert Preprocess.from_dict({k: v for k, v in REDUCED.to_dict().items() if k != "jpeg"}) == WAY
