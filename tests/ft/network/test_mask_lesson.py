"""Masks on a grid over their box and back again: torchvision's to rounding; a shifted RoI is seen."""

import numpy as np
import pytest

from ft.network.boxes.masks import mask_lesson, on_grid
from ft.network.boxes.pasting import paste
from ft.zoo.detector import Detector
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
HEIGHT, WIDTH = 75, 94


def boxes_over(rng, count):
    """Return boxes of all sizes, some below a pixel, some over the edge."""
    corners = rng.uniform(-10, 80, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.1, 90, (count, 2))], 1)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_mask_on_a_grid_is_roi_align_of_it(aligned):
    from torchvision.ops import roi_align

    rng = np.random.default_rng(0)
    masks, boxes = rng.random((40, HEIGHT, WIDTH)) < 0.6, boxes_over(rng, 40)
    rows = [on_grid(np.packbits(mask, axis=-1), box, WIDTH, 28) for mask, box in zip(masks, boxes, strict=True)]
    pixels = torch.from_numpy(masks[:, None].astype(np.float64))
    rois = torch.from_numpy(np.concatenate([np.arange(40.0)[:, None], boxes], 1))
    theirs = roi_align(pixels, rois, 28, 1.0, -1, aligned)[:, 0].numpy()
    largest = abs(np.stack(rows) - theirs).max()
    assert (largest > 0.1) if aligned else (largest < 1e-13)


def test_the_lesson_takes_each_box_with_its_own_object():
    rng = np.random.default_rng(1)
    masks = rng.random((2, 3, HEIGHT, WIDTH)) < 0.5
    rois, pictures = boxes_over(rng, 5), np.array([0, 0, 0, 1, 1])
    classes, matched = np.array([2, 0, 1, 0, 3]), np.array([1, -1, 0, -1, 2])
    own = mask_lesson(
        rois, pictures, classes, matched, np.packbits(masks, axis=-1), image=(HEIGHT, WIDTH), detector=Detector()
    )
    assert own.places.tolist() == [0, 2, 4]
    for got, place in zip(own.wanted, own.places, strict=True):
        mask = np.packbits(masks[pictures[place], matched[place]], axis=-1)
        np.testing.assert_array_equal(got, on_grid(mask, rois[place], WIDTH, 28))
    none = mask_lesson(rois, pictures, classes * 0, matched, masks, image=(HEIGHT, WIDTH), detector=Detector())
    assert none.wanted.shape == (0, 28, 28)


def test_a_mask_is_pasted_as_torchvision_pastes_it():
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    rng = np.random.default_rng(2)
    said, boxes = rng.random((60, 28, 28)), boxes_over(rng, 60)
    theirs = paste_masks_in_image(torch.from_numpy(said)[:, None], torch.from_numpy(boxes), (HEIGHT, WIDTH), padding=1)[
        :, 0
    ]
    for own, mask, box in zip(theirs.numpy() > 0.5, said, boxes, strict=True):
        np.testing.assert_array_equal(paste(mask, box, HEIGHT, WIDTH), own)
