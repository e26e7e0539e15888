"""Boxes move exactly with the pixels: a picture of coloured rectangles, whose boxes are looked for after the view."""

import numpy as np
import pytest

from ft.data import Augmentation, Boxes, Preprocess, Reading, Sample, Sampling
from ft.data.batches.boxes import BoxBatches, Seen, padded
from ft.data.images.view import View, drawn, fitted

TARGETS = {"boxes", "box_labels", "index", "size", "scale", "own_boxes", "own_labels", "own_aside"}
PREPROCESS = Preprocess(96, 96, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def taught(labels):
    return {
        "boxes": padded([seen.corners for seen in labels], 0.0),
        "box_labels": padded([seen.classes for seen in labels], -1),
    }


def pictures(count=8):
    """Return pictures with up to three rectangles of one channel each, which is their class."""
    for i in range(count):
        rng = np.random.default_rng(i)
        height, width = rng.integers(60, 140, 2).tolist()
        pixels, boxes = np.zeros((height, width, 3), np.uint8), []
        for k in range(int(rng.integers(0, 4))):
            x, y = int(rng.integers(0, width - 24)), int(rng.integers(0, height - 24))
            w, h = int(rng.integers(12, width - x)), int(rng.integers(12, height - y))
            pixels[y : y + h, x : x + w, k] = 255
            boxes.append((x, y, x + w, y + h))
        yield Sample(f"{i}.png", Boxes.of(height, width, np.array(boxes), np.arange(len(boxes))), pixels)


def batches(**options):
    return BoxBatches(
        list(pictures()), PREPROCESS, Sampling(3, 5, shuffle=True), Augmentation(**options), Reading("float64"),
        teach=taught,
    )  # fmt: skip


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_the_box_is_where_its_rectangle_is(augment):
    met = 0
    for epoch in range(4):
        for batch in batches(augment=augment).epoch(epoch):
            assert len(batch.targets) == (8 if augment == "none" else 2)
            for picture, boxes, labels in zip(
                np.asarray(batch.inputs), batch.targets["boxes"], batch.targets["box_labels"], strict=True
            ):
                for box, k in zip(boxes[labels >= 0], labels[labels >= 0], strict=True):
                    met += 1
                    columns, rows = (picture[..., k].max(axis) for axis in (0, 1))
                    for edges, line in ((box[[0, 2]], columns), (box[[1, 3]], rows)):
                        inside = np.flatnonzero(line > 0.5)  # half a pixel: the picture itself is rounded to pixels
                        assert abs(inside[0] - edges[0]) <= 1.05
                        assert abs(inside[-1] + 1 - edges[1]) <= 1.05
    assert met > 25


def test_a_mirrored_box_is_exact():
    view = View(100, 80, 90, top=-10, left=5, flip=True)
    moved, kept = view.boxes(np.array([[10.0, 20, 30, 40], [0, 0, 45, 5]]), 40, 60)
    assert moved.tolist() == [[50, 30, 80, 70], [27.5, 0, 95, 0]]
    assert kept.tolist() == [True, False]


def test_a_box_stays_where_its_centre_shows_and_is_cut_off():
    """A quarter of it is left at least; what is thinner than a pixel goes."""
    view = View(100, 200, 200)  # the left upper quarter of a picture of 200 x 200
    inside, beyond, thin = [60, 60, 139, 139], [60, 60, 141, 90], [10, 10, 10.9, 50]
    moved, kept = view.boxes(np.array([inside, beyond, thin], np.float64), 200, 200)
    assert kept.tolist() == [True, False, False]
    assert moved[0].tolist() == [60, 60, 100, 100]
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(20, 300, 2).tolist()
        corners = rng.uniform(0, 1, (50, 2, 2)) * (width, height)
        corners = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        view = drawn(height, width, 64, rng)
        moved, kept = view.boxes(corners, height, width)
        sides = (corners[:, 2:] - corners[:, :2]) * (view.width / width, view.height / height)
        left = (moved[:, 2:] - moved[:, :2])[kept]
        assert (left.prod(1) >= 0.2499 * sides[kept].prod(1)).all()
        assert (moved[kept] >= 0).all()
        assert (moved[kept] <= 64).all()


def test_what_is_evaluated_says_how_its_own_pixels_are_found():
    ours = batches().in_order()
    (batch, *_) = ours.epoch(0)
    assert set(batch.targets) == TARGETS
    for name, array in ours.targets_at(0, batch.indices).items():
        np.testing.assert_array_equal(array, batch.targets[name])
    np.testing.assert_array_equal(batch.targets["index"], batch.indices)
    for i, index in enumerate(batch.indices):
        label = ours.samples[index].label
        own, there = batch.targets["own_boxes"][i], batch.targets["own_labels"][i] >= 0
        np.testing.assert_array_equal(own[there], label.corners)
        assert batch.targets["size"][i].tolist() == [label.height, label.width]
        back = batch.targets["boxes"][i] * np.tile(batch.targets["scale"][i], 2)
        np.testing.assert_allclose(back[batch.targets["box_labels"][i] >= 0], label.corners, rtol=0, atol=1e-9)
        assert fitted(label.height, label.width, 96).boxes(label.corners, label.height, label.width)[1].all()


def test_rows_without_a_box_and_pictures_without_one():
    both = [Seen(np.ones((9, 4)), np.zeros(9, np.int64)), Seen(np.zeros((0, 4)), np.zeros(0, np.int64))]
    targets = taught(both)
    assert (targets["boxes"].shape, targets["box_labels"].shape) == ((2, 16, 4), (2, 16))
    assert (targets["box_labels"][0, 9:] == -1).all()
    assert (targets["box_labels"][1] == -1).all()
    assert padded(both[1:][0:1] and [both[1].classes], -1).shape == (1, 8)
