"""Pictures with boxes that keep their shape: resized by their short side, padded in batches, like shapes together."""

import numpy as np
import pytest
from PIL import Image

from ft.data import Augmentation, Boxes, Padded, Preprocess, Reading, Sample, Sampling
from ft.data.batches.boxes import ASPECTS, BoxBatches
from ft.data.batches.instances import InstanceBatches
from ft.data.cut import Cut
from ft.data.images.preprocess import RESAMPLING
from ft.data.images.view import jittered, whole
from ft.errors import DataError
from ft.tasks.instances import INSTANCES
from tests.ft.data.test_box_view import pictures, taught
from tests.ft.data.test_instances import pictures as masked

PREPROCESS = Preprocess(64, 64, "bilinear", (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), longest=90)


def batches(sampling=None, samples=None, **options):
    return BoxBatches(
        samples or list(pictures(10)), PREPROCESS, sampling or Sampling(3, 5, shuffle=True), Augmentation(**options),
        Reading("float64", as_pixels=True), teach=taught,
    )  # fmt: skip


def of_shapes(count):
    """Return small pictures of all shapes."""
    rng = np.random.default_rng(0)
    for i in range(count):
        height, width = rng.integers(30, 90, 2).tolist()
        pixels = np.full((height, width, 3), 128, np.uint8)
        yield Sample(str(i), Boxes.of(height, width, np.array([[0, 0, width, height]]), np.array([0])), pixels)


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_the_box_is_where_its_rectangle_is_and_around_the_picture_is_0(augment):
    met = 0
    for epoch in range(4):
        for batch in batches(augment=augment).epoch(epoch):
            assert isinstance(batch.inputs, Padded)
            height, width = batch.inputs.images.shape[1:3]
            assert batch.size == (height, width)
            assert height % 32 == width % 32 == 0
            assert (batch.inputs.sizes.max(0) > [height - 32, width - 32]).all()
            rows = zip(*(batch.targets[name] for name in ("boxes", "box_labels")), strict=True)
            for picture, size, (boxes, labels) in zip(batch.inputs.images, batch.inputs.sizes, rows, strict=True):
                met += require_in_place(picture, size, boxes[labels >= 0], labels[labels >= 0])
    assert met > 25


def require_in_place(picture, size, boxes, labels):
    """Compare boxes with where their channel is bright; return how many there were."""
    height, width = size
    assert not picture[height:].any()
    assert not picture[:, width:].any()
    for box, k in zip(boxes, labels, strict=True):
        columns, rows = (picture[..., k].max(axis) for axis in (0, 1))
        for edges, line in ((box[[0, 2]], columns), (box[[1, 3]], rows)):
            inside = np.flatnonzero(line > 0)
            assert abs(inside[0] - edges[0]) <= 1.05
            assert abs(inside[-1] + 1 - edges[1]) <= 1.05
    return len(boxes)


def test_masks_end_where_their_picture_does(monkeypatch):
    """A picture that is resized by its nearest pixels is its own masks; all of a batch are as large as the largest."""
    monkeypatch.setitem(RESAMPLING, "bilinear", Image.Resampling.NEAREST)
    teach, met = INSTANCES.teach(classes=3, dtype="float64"), 0
    sampling = Sampling(3, 5, shuffle=True)
    own = InstanceBatches(list(masked()), PREPROCESS, sampling, Augmentation("crop-flip"), teach=teach)
    for batch in own.epoch(0):
        height, width = batch.inputs.sizes.max(0)
        assert batch.targets["masks"].shape[2:] == (height, -(-width // 8))
        masks = np.unpackbits(batch.targets["masks"], axis=-1, count=width).astype(bool)
        rows = zip(batch.inputs.images, masks, batch.targets["box_labels"], strict=True)
        for picture, shapes, labels in rows:
            for mask, k in zip(shapes, labels.tolist(), strict=True):
                met += k >= 0
                np.testing.assert_array_equal(mask, (picture[:height, :width, k] > 0) & (k >= 0))
    assert met > 3


def test_the_short_side_has_the_size_or_the_long_one_its_bound():
    assert whole(480, 640, 64, 90).frame == (64, 85)
    assert whole(640, 480, 64, 70).frame == (70, 52)
    with pytest.raises(DataError, match="2000x10 pixels, too narrow for a long side of 90; crop it"):
        whole(10, 2000, 64, 90)
    rng, plain = np.random.default_rng(0), whole(100, 150, 64, 90)
    views = [jittered(100, 150, 64, 90, rng) for _ in range(50)]
    assert max(view.frame for view in views) == plain.frame
    assert len({view.frame for view in views}) > 5
    assert {view.flip for view in views} == {True, False}
    assert all(min(view.top, view.left) <= 0 <= view.height + view.top - view.frame[0] for view in views)


def test_pictures_of_like_shapes_are_together():
    """Each once, what is left over last, in another order each epoch, from the seed alone."""
    samples = list(of_shapes(50))
    plain, grouped = (batches(Sampling(4, 7, shuffle=True, by_aspect=on), samples) for on in (False, True))
    plans = [[indices.tolist() for indices in grouped.plan(epoch)] for epoch in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    assert [len(indices) for indices in plans[0]] == [4] * 12 + [2]
    assert sorted(np.concatenate(plans[0])) == list(range(50))
    assert plans[0][-1] == plain.plan(0)[-1].tolist()
    ratios = np.array([sample.label.width / sample.label.height for sample in samples])
    mixed = [len(set(np.digitize(ratios[indices], ASPECTS))) for indices in plans[0][:-1]]
    assert sum(count > 1 for count in mixed) <= len(ASPECTS)
    assert np.sign(np.diff([ratios[indices].mean() for indices in plans[0]])).tolist().count(-1) > 3
    pixels = [sum(batch.inputs.images[..., 0].size for batch in own.epoch(0)) for own in (plain, grouped)]
    assert pixels[1] < 0.9 * pixels[0]
    assert [i.tolist() for i in grouped.in_order().plan(0)] == [i.tolist() for i in plain.in_order().plan(0)]


def test_a_ranks_part_is_padded_as_the_whole_batch_is():
    samples = list(of_shapes(11))
    whole_batches = list(batches(Sampling(5, 7, shuffle=True, by_aspect=True), samples, augment="crop-flip").epoch(1))
    for rank in range(2):
        cut = Cut(rank=rank, ranks=2)
        own = batches(Sampling(5, 7, shuffle=True, by_aspect=True, cut=cut), samples, augment="crop-flip")
        for part, batch in zip(own.epoch(1), whole_batches, strict=True):
            expected = batch.inputs[part.place.positions]
            np.testing.assert_array_equal(part.inputs.images, expected.images)
            np.testing.assert_array_equal(part.inputs.sizes, expected.sizes)


def test_what_is_said_of_it_is_kept_and_of_squares_nothing():
    again = Preprocess.from_dict(PREPROCESS.to_dict())
    assert again == PREPROCESS
    assert "longest" not in Preprocess(64, 64, "bilinear", (0.5,) * 3, (1.0,) * 3).to_dict()
