"""The losses of segmentation in every wing: against torch.nn.functional, and part by part as whole."""

from importlib import import_module

import numpy as np
import pytest

from ft.backend.objective import Objective
from ft.data import Batch
from ft.recipe import Recipe
from ft.training.accumulation import parts_of
from tests.oracle import needs_torch, torch
from tests.wings.installed import in_each_framework

RNG = np.random.default_rng(0)
MASKS = RNG.choice([0, 1, 2, 3, 255], (5, 4, 6), p=[0.3, 0.2, 0.2, 0.1, 0.2]).astype(np.uint8)
MASKS[3] = 255
LOGITS = 3 * RNG.normal(size=(5, 4, 6, 4))
WEIGHTS = (0.5, 2.0, 1.0, 3.0)


def loss_of(wing, objective, logits=LOGITS, masks=MASKS):
    """Return a wing's loss and its gradient by the logits, (N, H, W, K)."""
    loss = import_module(f"{wing.__name__}.tasks").TASKS["segmentation"].loss
    if wing.__name__ == "ft_torch":
        x = torch.from_numpy(logits).permute(0, 3, 1, 2).requires_grad_()
        value = loss({"logits": x}, {"mask": torch.from_numpy(masks)}, objective)
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient.permute(0, 2, 3, 1).numpy()
    import tensorflow as tf

    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss({"logits": x}, {"mask": tf.constant(masks)}, objective)
    return float(value), tape.gradient(value, x).numpy()


def torchs(kind, smoothing, weights):
    """Return torch's loss and gradient."""
    x = torch.from_numpy(LOGITS).permute(0, 3, 1, 2).requires_grad_()
    y = torch.from_numpy(MASKS).long()
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    options = {"weight": weight, "ignore_index": 255, "label_smoothing": smoothing}
    value = torch.zeros((), dtype=torch.float64)
    if kind != "dice":
        value = torch.nn.functional.cross_entropy(x, y, **options)
    if kind.endswith("dice"):
        value = value + dice(x, y, weight)
    (gradient,) = torch.autograd.grad(value, x)
    return value.item(), gradient.permute(0, 2, 3, 1).numpy()


def dice(x, y, weight):
    """Return the mean over pictures of 1 - Dice over the classes of each, by what their pixels weigh."""
    total, whole = 0.0, 0.0
    for scores, labels in zip(x.movedim(1, -1), y, strict=True):
        counted = labels != 255
        p, own = scores[counted].softmax(-1), labels[counted]
        if not len(own):
            continue
        terms = []
        for k in own.unique():
            a, b = p[:, k], (own == k).double()
            terms.append(2 * (a * b).sum() / (a.sum() + b.sum()))
        weighs = len(own) if weight is None else weight[own].sum()
        total, whole = total + weighs * (1 - sum(terms) / len(terms)), whole + weighs
    return total / whole


@needs_torch
@in_each_framework
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    ("kind", "smoothing"), [("cross-entropy", 0.0), ("cross-entropy", 0.1), ("dice", 0.0), ("cross-entropy-dice", 0.2)]
)
def test_a_loss_is_torchs(wing, kind, smoothing, weights):
    objective = Objective("segmentation", kind, label_smoothing=smoothing, class_weights=weights)
    (a, da), (b, db) = loss_of(wing, objective), torchs(kind, smoothing, weights)
    np.testing.assert_allclose(a, b, rtol=1e-13)
    np.testing.assert_allclose(da, db, rtol=0, atol=1e-14)


@in_each_framework
@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_focal_counts_each_term_by_its_rest(wing, gamma):
    counted = MASKS != 255
    x = LOGITS[counted]
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    own = p[np.arange(len(p)), MASKS[counted]]
    expected = -((1 - own) ** gamma * np.log(own)).mean()
    loss, _ = loss_of(wing, Objective("segmentation", "focal", gamma=gamma))
    np.testing.assert_allclose(loss, expected, rtol=1e-13)


@in_each_framework
@pytest.mark.parametrize("kind", ["cross-entropy", "cross-entropy-dice"])
def test_parts_add_up_to_the_whole(wing, kind):
    """By the pixels that count and not by pictures: a mean of means is another loss."""
    objective = Objective("segmentation", kind, label_smoothing=0.1, class_weights=WEIGHTS)
    parts = parts_of(Batch.of(LOGITS, mask=MASKS), Recipe(accumulate=2, batch_size=2), objective)
    assert len(parts) == 2
    values = [loss_of(wing, objective, LOGITS[p.rows], MASKS[p.rows])[0] for p in parts]
    whole = loss_of(wing, objective)[0]
    np.testing.assert_allclose(sum(p.share * v for p, v in zip(parts, values, strict=True)), whole, rtol=1e-13)
    assert abs(np.mean(values) / whole - 1) > 1e-3


@in_each_framework
@pytest.mark.parametrize("kind", ["cross-entropy", "dice", "focal"])
def test_where_no_pixel_counts_the_loss_is_zero(wing, kind):
    objective = Objective("segmentation", kind, gamma=2.0 * (kind == "focal"))
    loss, gradient = loss_of(wing, objective, masks=np.full_like(MASKS, 255))
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)
    batch = Batch.of(LOGITS, mask=np.full_like(MASKS, 255))
    assert [p.share for p in parts_of(batch, Recipe(accumulate=2), objective)] == [0.0]
