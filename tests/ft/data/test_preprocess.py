"""The evaluation transform against torchvision's, bit for bit."""

import json

import numpy as np
import pytest
from PIL import Image

from ft.data import Preprocess
from ft.errors import DataError
from tests.oracle import functional, needs_torch, torch, transforms

pytestmark = needs_torch
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(37, 53), (53, 37), (64, 64), (1, 1), (1, 40), (101, 7), (200, 131), (224, 299)]


def preprocess(resize=32, crop=28, interpolation="bilinear", mean=MEAN, std=STD):
    return Preprocess(resize, crop, interpolation, mean, std)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(32, 28), (37, 37), (64, 37), (235, 224)])
def test_resize_and_crop_is_torchvisions(resize, crop, interpolation, pixels):
    mode = transforms.InterpolationMode(interpolation)
    oracle = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])
    for height, width in SIZES:
        image = pixels(height, width, seed=height)
        ours = preprocess(resize, crop, interpolation).resize_and_crop(image)
        assert ours.dtype == np.uint8
        assert np.array_equal(ours, np.asarray(oracle(Image.fromarray(image)))), (height, width)


VALUES = np.arange(256, dtype=np.uint8)
EVERY_VALUE = np.stack([VALUES, VALUES[::-1], VALUES ^ 85], 1).reshape(2, 8, 16, 3)


@pytest.mark.parametrize(("mean", "std"), [(MEAN, STD), ((0.5,) * 3, (0.5,) * 3), ((0.1, 0.2, 0.3), (0.3, 0.7, 1.1))])
def test_normalise_is_torchvisions_in_float32(mean, std):
    ours = preprocess(mean=mean, std=std).normalise(EVERY_VALUE)
    oracle = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    theirs = torch.stack([oracle(Image.fromarray(image)) for image in EVERY_VALUE]).permute(0, 2, 3, 1).numpy()
    assert ours.dtype == np.float32
    assert np.array_equal(ours, theirs)


def test_normalise_is_torchvisions_in_float64():
    ours = preprocess().normalise(EVERY_VALUE, "float64")
    scaled = torch.from_numpy(EVERY_VALUE).permute(0, 3, 1, 2).to(torch.float64).div(255)
    assert ours.dtype == np.float64
    assert np.array_equal(ours, functional.normalize(scaled, list(MEAN), list(STD)).permute(0, 2, 3, 1).numpy())


def test_at_keeps_the_share():
    assert preprocess(256, 224).at(64) == preprocess(73, 64)
    assert preprocess(256, 224).at(96) == preprocess(110, 96)  # 109.7
    assert preprocess(256, 224).at(224) == preprocess(256, 224)
    for size in range(1, 600):
        assert preprocess(224, 224).at(size).resize == size
        assert preprocess(225, 224).at(size).resize >= size


def test_json_and_back():
    once = preprocess(256, 224, "bicubic")
    assert Preprocess.from_dict(json.loads(json.dumps(once.to_dict()))) == once


@pytest.mark.parametrize(
    "change",
    [
        {"interpolation": "bilinar"},
        {"crop": 33},
        {"crop": 0},
        {"std": [1, 0, 1]},
        {"mean": [1, 2]},
        {"mean": None},
        {"resize": "32"},
        {"colour": "sRGB"},
    ],
)
def test_what_cannot_be_is_refused(change):
    with pytest.raises(DataError, match="preprocess: "):
        Preprocess.from_dict({**preprocess().to_dict(), **change})


def test_an_image_that_would_explode_is_refused():
    thread = np.zeros((1, 5000, 3), np.uint8)
    assert preprocess(32, 28).resize_and_crop(thread).shape == (28, 28, 3)
    with pytest.raises(DataError, match="5000x1 pixels, too narrow to be resized to 256"):
        preprocess(256, 224).resize_and_crop(thread)


@pytest.mark.parametrize(
    ("mode", "red", "green", "blue"),
    [
        ("caffe", 30 - 103.939, 20 - 116.779, 10 - 123.68),  # blue comes first: tests/ft_tf compares with Keras
        ("tf", 10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1),
        ("raw", 10, 20, 30),
    ],
)
def test_modes_of_keras(mode, red, green, blue):
    mean = (103.939, 116.779, 123.68)
    ours = Preprocess(32, 28, "bilinear", mean, (1.0, 1.0, 1.0), mode)
    pixel = np.array([10, 20, 30], np.uint8)
    np.testing.assert_allclose(ours.normalise(pixel, "float64"), [red, green, blue], rtol=1e-15)
    assert ours.at(14).mode == mode
    assert Preprocess.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours


def test_a_run_from_before_there_were_modes():
    old = {key: value for key, value in preprocess().to_dict().items() if key != "mode"}
    assert Preprocess.from_dict(old) == preprocess()
    with pytest.raises(DataError, match="unknown mode 'caffee'; did you mean 'caffe'"):
        Preprocess.from_dict({**old, "mode": "caffee"})


def test_other_channels_take_the_averages():
    own = Preprocess(resize=8, crop=8, interpolation="bilinear", mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    grey, alpha = own.for_channels(1), own.for_channels(4)
    np.testing.assert_allclose([*grey.mean, *grey.std], [0.5, 0.2])
    np.testing.assert_allclose(alpha.mean, [0.4, 0.5, 0.6, 0.5])
    assert own.for_channels(3) is own
    assert Preprocess.from_dict(alpha.to_dict()) == alpha
    with pytest.raises(DataError, match="in_channels: got 2"):
        own.for_channels(2)


def test_every_channel_is_resized_and_scaled_on_its_own():
    own = Preprocess(resize=8, crop=6, interpolation="bicubic", mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    four = own.for_channels(4).resize_and_crop(pixels)
    np.testing.assert_array_equal(four[:, :, :3], own.resize_and_crop(pixels[:, :, :3]))
    one = own.for_channels(1)
    np.testing.assert_array_equal(four[:, :, 3:], one.resize_and_crop(pixels[:, :, 3:]))
    expected = (four[:, :, 3] / 255 - own.for_channels(4).mean[3]) / own.for_channels(4).std[3]
    np.testing.assert_allclose(own.for_channels(4).normalise(four, "float64")[:, :, 3], expected, rtol=1e-14)
