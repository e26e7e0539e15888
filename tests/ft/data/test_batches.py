"""The order and the pixels of every batch are a function of (seed, epoch, index), whoever computes them."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import ft.data.batches.base
import ft.data.batches.images
from ft.data import Distortion, Mix, Pixels, Preprocess, Sample
from ft.data.batches.readers import Readers
from ft.errors import DataError
from ft.noise import generator
from tests.ft.data.made import made

PREPROCESS = Preprocess(18, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def samples(tmp_path, pixels, encode):
    """Return 23 samples, every third in memory, the others files."""
    images = [pixels(20 + i, 30 - i // 2, seed=i) for i in range(23)]
    for i, image in enumerate(images):
        (tmp_path / f"{i}.png").write_bytes(encode(image))
    return [Sample(f"{i}.png", i % 5, image if i % 3 == 0 else tmp_path / f"{i}.png") for i, image in enumerate(images)]


def batches(samples, **options):
    usual = {"batch_size": 4, "seed": 7, "shuffle": True, "augment": "crop-flip"}
    return made(samples, PREPROCESS, **{**usual, **options})


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.number == b.number
        assert np.array_equal(a.indices, b.indices)
        assert np.array_equal(a.targets["labels"], b.targets["labels"])
        assert a.inputs.tobytes() == b.inputs.tobytes()


@pytest.mark.parametrize("mode", ["torch", "caffe"])
@pytest.mark.parametrize("distortion", [None, Distortion(operations=1, jitter=0.3)])
def test_pixels_hold_the_same_numbers_in_bytes(samples, mode, distortion):
    ours, theirs = (
        made(
            samples, replace(PREPROCESS, mode=mode), batch_size=4, augment="crop-flip", distortion=distortion, **options
        )
        for options in ({"as_pixels": True, "dtype": "float64"}, {"dtype": "float64"})
    )
    for a, b in zip(ours.epoch(1), theirs.epoch(1), strict=True):
        assert isinstance(a.inputs, Pixels)
        assert (a.inputs.values.dtype, a.inputs.values.flags.c_contiguous) == (np.uint8, True)
        np.testing.assert_array_equal(np.asarray(a.inputs), b.inputs, strict=True)
        np.testing.assert_array_equal(np.asarray(a.inputs[1:3]), b.inputs[1:3], strict=True)


@pytest.mark.parametrize("options", [{"mix": Mix(0.3, 0.0, 5, 7)}, {"distortion": Distortion(erase=0.5)}])
def test_what_is_changed_as_numbers_is_handed_over_as_numbers(samples, options):
    for a, b in zip(
        batches(samples, **options, as_pixels=True).epoch(0), batches(samples, **options).epoch(0), strict=True
    ):
        np.testing.assert_array_equal(a.inputs, b.inputs, strict=True)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ft-data")]


@pytest.mark.parametrize("augment", ["none", "crop-flip"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_workers_and_start_change_nothing(augment, dtype, samples):
    whole = list(batches(samples, augment=augment, dtype=dtype, workers=0).epoch(3))
    assert [b.number for b in whole] == [0, 1, 2, 3, 4, 5]
    for workers in (0, 1, 4):
        for start in (0, 1, 4, 6, 9):
            some = batches(samples, augment=augment, dtype=dtype, workers=workers)
            assert_same(list(some.epoch(3, start)), whole[start:])
    assert our_threads() == []


def test_a_batch_holds_what_it_says(samples, pixels):
    for batch in batches(samples, augment="none", shuffle=True).epoch(0):
        assert batch.inputs.dtype == np.float32
        assert batch.indices.dtype == batch.targets["labels"].dtype == np.int64
        for image, label, i in zip(batch.inputs, batch.targets["labels"], batch.indices, strict=True):
            seen = PREPROCESS.normalise(PREPROCESS.resize_and_crop(pixels(20 + i, 30 - i // 2, seed=int(i))))
            assert np.array_equal(image, seen)
            assert label == samples[i].label


def test_a_flip_alone_mirrors_half_of_the_images_in_each_epoch(samples):
    plain, ours = batches(samples, augment="none"), batches(samples, augment="flip")
    mirrored = []
    for epoch, index in ((epoch, index) for epoch in range(20) for index in range(len(samples))):
        whole, shown = plain.read(epoch, index), ours.read(epoch, index)
        mirrored.append(not np.array_equal(shown, whole))
        np.testing.assert_array_equal(shown, whole[:, ::-1] if mirrored[-1] else whole)
    drawn = np.reshape(mirrored, (20, -1))
    assert 0.4 < drawn.mean() < 0.6
    assert drawn.any(0).all()
    assert not drawn.all(0).any()


def test_labels_and_names_are_the_splits(samples):
    ours = batches(samples)
    labels = ours.targets_at(0, np.arange(len(samples)))["labels"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [s.label for s in samples]
    assert ours.names == tuple(s.name for s in samples)


def test_crops_change_with_epoch_seed_and_sample(samples):
    def image(seed, epoch, index):
        twins = [samples[0], samples[0]]
        return batches(twins, seed=seed).read(epoch, index).tobytes()

    assert len({image(7, 0, 0), image(8, 0, 0), image(7, 1, 0), image(7, 0, 1)}) == 4


# ---- the plan


def test_plan_is_a_fresh_permutation_each_epoch(samples):
    ours = batches(samples)
    for epoch in (0, 1):
        order = np.concatenate(ours.plan(epoch))
        assert np.array_equal(order, generator(7, "order", epoch).permutation(23))
    assert not np.array_equal(np.concatenate(ours.plan(0)), np.concatenate(ours.plan(1)))
    assert np.array_equal(np.concatenate(batches(samples, shuffle=False).plan(5)), np.arange(23))


@pytest.mark.parametrize(
    ("count", "size", "shuffle", "sizes"),
    [
        (9, 4, True, [4, 4]),
        (9, 4, False, [4, 4, 1]),
        (10, 4, True, [4, 4, 2]),
        (8, 4, True, [4, 4]),
        (1, 4, True, [1]),
        (3, 4, True, [3]),
        (3, 1, True, [1, 1, 1]),
        (0, 4, True, []),
    ],
)
def test_short_last_batch(count, size, shuffle, sizes, samples):
    ours = batches(samples[:count], batch_size=size, shuffle=shuffle)
    assert [len(indices) for indices in ours.plan(0)] == sizes
    assert len(ours) == len(sizes) == len(list(ours.epoch(0)))


def test_a_batch_needs_an_image(samples):
    with pytest.raises(DataError, match="batch_size: got 0"):
        batches(samples, batch_size=0)


# ---- threads


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_bad_file_is_named_when_its_batch_is_due(workers, samples, tmp_path):
    (tmp_path / "10.png").write_bytes((tmp_path / "10.png").read_bytes()[:200])
    due = iter(batches(samples, shuffle=False, workers=workers).epoch(0))
    assert [next(due).number, next(due).number] == [0, 1]
    with pytest.raises(DataError, match=r"10\.png: cannot be decoded \(.*truncated"):
        next(due)
    assert our_threads() == []


def test_a_degenerate_image_is_named(tmp_path, encode):
    path = tmp_path / "thread.png"
    path.write_bytes(encode(np.zeros((1, 5000, 3), np.uint8)))
    wide = Preprocess(256, 224, "bilinear", (0, 0, 0), (1, 1, 1))
    for sample in (Sample("thread.png", 0, path), Sample("thread.png", 0, np.zeros((1, 5000, 3), np.uint8))):
        with pytest.raises(DataError, match=r"thread\.png: 5000x1 pixels, too narrow"):
            next(made([sample], wide, batch_size=1).epoch(0))


@pytest.fixture
def read(monkeypatch):
    """Count the images that are decoded, all of them grey."""
    read = []
    grey = np.zeros((20, 20, 3), np.uint8)
    monkeypatch.setattr(ft.data.batches.images, "decode", lambda source, **_: read.append(1) or grey)
    return read


def test_only_two_batches_are_made_ahead(samples, read):
    epoch = batches(samples * 10, workers=2).epoch(0)
    for taken in (1, 2, 3):
        next(epoch)
        assert 4 * taken <= len(read) <= 4 * (taken + 2)
    epoch.close()


def test_closing_early_drops_what_is_not_begun_and_leaves_no_thread(samples, read, monkeypatch):
    closing = threading.Event()

    class Closing(Readers):
        def close(self):
            while not self.tasks.empty():
                self.tasks.get()
            closing.set()
            super().close()

    def decode(source, **_):
        assert len(read) < 4 or closing.wait(60)
        return grey(source)

    grey = ft.data.batches.images.decode
    monkeypatch.setattr(ft.data.batches.base, "Readers", Closing)
    monkeypatch.setattr(ft.data.batches.images, "decode", decode)
    epoch = batches(samples * 10, workers=1).epoch(0)
    next(epoch)
    assert len(our_threads()) == 1
    epoch.close()
    assert our_threads() == []
    assert len(read) <= 5  # the first batch, and one image that may have been begun


def test_an_epoch_is_lazy(samples):
    batches(samples, workers=4).epoch(0)
    assert our_threads() == []


def test_balanced_draws_give_rare_classes_as_many_images():
    labels = np.repeat([0, 1, 3], [400, 80, 20])
    pixels = np.zeros((8, 8, 3), np.uint8)
    many = batches([Sample(str(i), label, pixels) for i, label in enumerate(labels.tolist())], balanced=True)
    drawn = [np.concatenate(many.plan(epoch)) for epoch in range(40)]
    share = np.bincount(labels[np.concatenate(drawn)]) / sum(map(len, drawn))
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)
    np.testing.assert_array_equal(drawn[3], np.concatenate(many.plan(3)))  # a function of seed and epoch
    assert not np.array_equal(drawn[0], drawn[1])
    assert len(drawn[0]) == 500


def test_in_order_shows_every_image_once_as_it_is_or_as_an_epoch_augments_it(samples):
    training = batches(samples, workers=0)
    for augmented in (False, True):
        shown = list(training.in_order(augmented=augmented).epoch(2))
        np.testing.assert_array_equal(np.concatenate([b.indices for b in shown]), np.arange(23))
        plain = batches(samples, workers=0, augment="crop-flip" if augmented else "none")
        images = np.concatenate([b.inputs for b in shown])
        assert all((images[i] == plain.read(2, i)).all() for i in range(23))
    other = np.concatenate([b.inputs for b in training.in_order(augmented=True).epoch(1)])
    assert (other != images).any()
