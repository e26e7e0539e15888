"""Mixup and cutmix against torchvision's transforms, and what they are drawn from."""

import numpy as np
import pytest
from scipy import stats

from ft.data import Mix, Preprocess, Sample
from ft.data.images.mix import cutmix, draw_box, mixup
from ft.noise import generator
from tests.ft.data.made import made
from tests.oracle import needs_torch, torch, v2

pytestmark = needs_torch
CLASSES = 5
PREPROCESS = Preprocess(18, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def drawn(dtype="float64", count=6, height=9, width=13):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, height, width, 3)).astype(dtype), rng.integers(0, CLASSES, count)


def theirs(transform, images, labels, **params):
    """Return torchvision's images and targets at fixed parameters."""
    x, y = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    params = {"labels": y, "batch_size": len(y), **params}
    return transform.transform(x, params).permute(0, 2, 3, 1).numpy(), transform.transform(y, params).numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lam", [0.0, 0.25, 0.7123, 1.0])
def test_mixup_is_torchvisions(dtype, lam):
    images, labels = drawn(dtype)
    mixed, targets = mixup(images, np.eye(CLASSES, dtype=dtype)[labels], lam)
    expected = theirs(v2.MixUp(num_classes=CLASSES), images, labels, lam=lam)
    assert mixed.dtype == targets.dtype == dtype
    np.testing.assert_array_equal(mixed, expected[0])
    np.testing.assert_allclose(targets, expected[1], atol=1e-7)  # torchvision's targets are float32


@pytest.mark.parametrize("box", [(2, 3, 7, 12), (0, 0, 9, 13), (4, 4, 4, 4), (0, 12, 1, 13)])
def test_cutmix_is_torchvisions(box):
    images, labels = drawn()
    top, left, bottom, right = box
    mixed, targets = cutmix(images, np.eye(CLASSES)[labels], box)
    lam = 1 - (bottom - top) * (right - left) / (9 * 13)
    params = {"box": (left, top, right, bottom), "lam_adjusted": lam}
    expected = theirs(v2.CutMix(num_classes=CLASSES), images, labels, **params)
    np.testing.assert_array_equal(mixed, expected[0])
    np.testing.assert_allclose(targets, expected[1], atol=1e-7)


def test_boxes_are_spread_as_torchvisions():
    torch.manual_seed(0)
    their = v2.CutMix(num_classes=CLASSES)
    blank = torch.empty(1, 3, 30, 40)
    boxes = np.array([their.make_params([blank])["box"] for _ in range(2000)])[:, [1, 0, 3, 2]]
    ours = []
    for i in range(2000):
        rng = generator(0, "mix", 0, i)
        ours.append(draw_box(30, 40, float(rng.beta(1.0, 1.0)), rng))
    for a, b in zip(np.array(ours).T, boxes.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_lambda_is_beta_distributed(alpha):
    images, targets = np.stack([np.zeros((1, 1, 3)), np.ones((1, 1, 3))]), {"labels": np.array([0, 1])}
    mix = Mix(alpha, 0.0, 2, seed=3)
    lams = [mix.apply(images, targets, epoch=0, number=i)[1]["shares"][0, 0] for i in range(1000)]
    assert stats.kstest(lams, stats.beta(alpha, alpha).cdf).pvalue > 1e-4


def test_lambda_depends_on_seed_epoch_and_batch_alone():
    images, labels = drawn()

    def targets(seed, epoch, number):
        mix = Mix(1.0, 0.0, CLASSES, seed)
        return mix.apply(images, {"labels": labels}, epoch=epoch, number=number)[1]["shares"].tobytes()

    assert len({targets(0, 0, 0), targets(1, 0, 0), targets(0, 1, 0), targets(0, 0, 1)}) == 4
    assert targets(0, 0, 0) == targets(0, 0, 0)


def test_both_take_turns_by_chance():
    images, labels = drawn()
    kinds = []
    for i in range(200):
        mixed, targets = Mix(1.0, 1.0, CLASSES, seed=0).apply(images, {"labels": labels}, epoch=0, number=i)
        np.testing.assert_allclose(targets["shares"].sum(1), 1, rtol=1e-14)
        kept = (mixed == images) | (mixed == np.roll(images, 1, axis=0))
        kinds.append(bool(kept.all()))
    assert 60 < sum(kinds) < 140


def test_batches_are_mixed_alike_from_any_start_with_any_number_of_threads(pixels):
    samples = [Sample(f"{i}", i % CLASSES, pixels(20, 24, seed=i)) for i in range(11)]

    def batches(workers, start=0, epoch=2, **fields):
        mix = Mix(**{"mixup": 0.4, "cutmix": 1.0, "classes": CLASSES, "seed": 1, **fields})
        ours = made(samples, PREPROCESS, batch_size=4, seed=1, shuffle=True, mix=mix, workers=workers)
        return [(b.inputs.tobytes(), b.targets["shares"].tobytes()) for b in ours.epoch(epoch, start)]

    whole = batches(0)
    assert batches(3) == whole
    assert batches(1, start=1) == whole[1:]
    assert batches(0, seed=2) != whole
    assert batches(0, epoch=3) != whole


def test_in_order_nothing_is_mixed(pixels):
    samples = [Sample(f"{i}", i % 2, pixels(20, 24, seed=i)) for i in range(4)]
    mixed = made(samples, PREPROCESS, batch_size=4, shuffle=True, mix=Mix(1.0, 0.0, 2, seed=0), workers=0)
    assert next(mixed.epoch(0)).targets["shares"].shape == (4, 2)
    assert next(mixed.in_order().epoch(0)).targets["labels"].tolist() == [0, 1, 0, 1]
