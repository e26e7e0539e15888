"""Random crops: the same boxes give torchvision's pixels, and the boxes are spread as torchvision's are."""

import numpy as np
import pytest
from PIL import Image

from ft.data.images.augment import RATIO, SCALE, apply_crop, crop_and_flip, draw_crop
from ft.noise import generator
from tests.oracle import functional, needs_torch, torch, transforms

pytestmark = needs_torch


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_torchvisions(interpolation, pixels):
    image, mode = pixels(61, 83), transforms.InterpolationMode(interpolation)
    for box in [(0, 0, 61, 83), (3, 5, 28, 28), (10, 0, 51, 9), (60, 82, 1, 1), (7, 11, 30, 41)]:
        theirs = functional.resized_crop(Image.fromarray(image), *box, [28, 28], mode)
        assert np.array_equal(apply_crop(image, box, 28, interpolation), np.asarray(theirs)), box


@pytest.mark.parametrize(("height", "width"), [(10, 1000), (1000, 10), (1, 1), (1, 5000), (3, 200)])
def test_the_fallback_is_torchvisions(height, width):
    # No box of 8 % of the area fits into such strips, so torchvision's ten tries fail as surely as ours.
    theirs = transforms.RandomResizedCrop.get_params(torch.empty(3, height, width), list(SCALE), list(RATIO))
    assert draw_crop(height, width, generator(0, "augment", 0, 0)) == theirs


def test_boxes_are_spread_as_torchvisions():
    height, width, count = 300, 400, 2000
    ours = np.array([draw_crop(height, width, generator(0, "augment", 0, i)) for i in range(count)])
    torch.manual_seed(0)
    blank = torch.empty(3, height, width)
    theirs = np.array([transforms.RandomResizedCrop.get_params(blank, list(SCALE), list(RATIO)) for _ in range(count)])
    for top, left, h, w in ours:
        assert 0 <= top <= height - h
        assert 0 <= left <= width - w
        assert SCALE[0] - 0.005 <= h * w / (height * width) <= SCALE[1]
        assert RATIO[0] - 0.02 <= w / h <= RATIO[1] + 0.02
    for measure in (
        lambda b: b[:, 2] * b[:, 3] / (height * width),
        lambda b: np.log(b[:, 3] / b[:, 2]),
        lambda b: b[:, 0] / height,
        lambda b: b[:, 1] / width,
    ):
        deciles = [np.quantile(measure(boxes), np.linspace(0, 1, 11)) for boxes in (ours, theirs)]
        assert np.abs(deciles[0] - deciles[1]).max() < 0.04  # draws of 2000 differ by 0.02; half the scale by 0.2


def test_half_of_the_crops_are_mirrored(pixels):
    image, mirrored = pixels(40, 50), 0
    for i in range(200):
        plain = apply_crop(image, draw_crop(40, 50, generator(3, "augment", 0, i)), 16, "bilinear")
        ours = crop_and_flip(image, 16, "bilinear", generator(3, "augment", 0, i))
        assert ours.shape == (16, 16, 3)
        if not np.array_equal(ours, plain):
            assert np.array_equal(ours, plain[:, ::-1])
            mirrored += 1
    assert 70 < mirrored < 130  # four standard deviations about 100
