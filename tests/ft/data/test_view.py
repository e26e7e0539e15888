"""Masks move exactly with the pixels, by their nearest pixel and never blended."""

import numpy as np
import pytest
from PIL import Image

from ft.data import Augmentation, Preprocess, Reading, Sample, Sampling
from ft.data.batches.masks import MaskBatches
from ft.data.images import view
from ft.data.images.view import View, drawn, fitted
from ft.data.sources.mask import Coding, Mask, MaskArray
from ft.errors import DataError
from ft.tasks import TASKS
from tests.oracle import needs_torch, torch

PREPROCESS = Preprocess(16, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def pictures(count=7):
    """Return pictures of several sizes whose mask is their red channel."""
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 200, (9 + 4 * i, 25 - 2 * i, 3)).astype(np.uint8)
        red = np.ascontiguousarray(pixels[:, :, 0])
        yield Sample(f"{i}.png", Mask("red", MaskArray("red", red), Coding({k: k for k in range(200)})), pixels)


def batches(**options):
    teach = TASKS["segmentation"].teach(classes=200, dtype="float64")
    sampling = Sampling(3, seed=5, shuffle=True)
    return MaskBatches(list(pictures()), PREPROCESS, sampling, Augmentation(**options), Reading("float64"), teach=teach)


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_a_mask_that_is_the_picture_stays_the_picture(augment, monkeypatch):
    """Resized by the same rule, pixel and mask have to be equal wherever the picture shows."""
    nearest = {"bilinear": Image.Resampling.NEAREST}
    monkeypatch.setattr("ft.data.images.preprocess.RESAMPLING", nearest)
    seen = []
    for epoch in range(3):
        for batch in batches(augment=augment).epoch(epoch):
            red = np.rint((batch.inputs[..., 0] * 0.2 + 0.5) * 255)
            mask = batch.targets["mask"]
            shows = mask != 255
            np.testing.assert_array_equal(red[shows], mask[shows])
            np.testing.assert_array_equal(red[~shows], 128)  # the mean, as near as bytes come
            seen.append(shows.mean())
    assert 0.2 < np.mean(seen) < 1


def test_masks_of_an_epoch_are_those_of_its_pictures():
    """Kept features take their masks apart from the pixels."""
    ours = batches(augment="crop-flip")
    for batch in ours.epoch(2):
        np.testing.assert_array_equal(ours.targets_at(2, batch.indices)["mask"], batch.targets["mask"])


@needs_torch
@pytest.mark.parametrize("size", [(7, 12), (40, 33), (20, 20), (61, 5)])
def test_the_nearest_pixel_is_torchs_exact_one(size):
    mask = np.random.default_rng(0).integers(0, 21, (20, 31)).astype(np.uint8)
    ours = View(64, *size).mask(mask)[: size[0], : size[1]]
    theirs = torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None], size=size, mode="nearest-exact")
    np.testing.assert_array_equal(ours, theirs[0, 0].numpy())


def test_a_whole_picture_fits_and_comes_back():
    mask = np.random.default_rng(0).integers(0, 9, (30, 64)).astype(np.uint8)
    whole = fitted(30, 64, 32)
    assert (whole.height, whole.width) == (15, 32)
    shown = whole.mask(mask)
    assert (shown[15:] == 255).all()
    back = whole.restored(shown, 30, 64)
    assert back.shape == (30, 64)
    np.testing.assert_array_equal(whole.mask(back), shown)
    with pytest.raises(DataError, match="64x1 pixels, too narrow"):
        fitted(1, 64, 16)


def test_views_are_drawn_over_all_scales_places_and_sides():
    views = [drawn(40, 60, 32, np.random.default_rng(i)) for i in range(300)]
    scales = [v.width / 32 for v in views]
    assert min(scales) < 0.55
    assert max(scales) > 1.95
    assert {v.flip for v in views} == {False, True}
    for v in views:  # no more of the square is free than must be, and no more of the picture cut
        for start, length in ((v.top, v.height), (v.left, v.width)):
            assert min(0, 32 - length) <= start <= max(0, 32 - length)
    small = [v for v in views if v.height < 32 and v.width < 32]
    assert len({v.top for v in small}) > 5
    assert view.SCALES == (0.5, 2.0)
