"""Each loss against torch.nn.functional, torchvision.ops and its formula, values and gradients."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ft_torch import binary_cross_entropy, cross_entropy, focal_loss

CASES = [(1.0, 0.0), (1.0, 0.1), (1.0, 0.9), (300.0, 0.0), (300.0, 0.2)]  # scale of the logits, label smoothing


def draw(scale):
    rng = np.random.default_rng(0)
    return scale * rng.normal(size=(6, 5)), rng.integers(0, 5, 6)


def formula(logits, labels, smoothing):
    """Return the loss and its gradient."""
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    target = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    return -(target * log_p).sum(1).mean(), (np.exp(log_p) - target) / len(logits)


def ours(logits, labels, smoothing):
    """Return the loss and its gradient as the wing computes them."""
    x = torch.tensor(logits, requires_grad=True)
    loss = cross_entropy(x, torch.from_numpy(labels), label_smoothing=smoothing)
    loss.backward()
    return loss.item(), x.grad.numpy()


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_cross_entropy_is_its_formula(scale, smoothing):
    logits, labels = draw(scale)
    (a, da), (b, db) = ours(logits, labels, smoothing), formula(logits, labels, smoothing)
    np.testing.assert_allclose(a, b, rtol=1e-13)
    np.testing.assert_allclose(da, db, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_cross_entropy_is_torchs(scale, smoothing):
    logits, labels = draw(scale)
    theirs = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), label_smoothing=smoothing)
    np.testing.assert_allclose(ours(logits, labels, smoothing)[0], theirs.item(), rtol=1e-14)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_target_probabilities_are_torchs(scale, smoothing):
    logits, _ = draw(scale)
    targets = np.random.default_rng(1).dirichlet(np.ones(5), 6)
    theirs = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets), label_smoothing=smoothing)
    np.testing.assert_allclose(ours(logits, targets, smoothing)[0], theirs.item(), rtol=1e-14)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_one_hot_targets_are_the_labels(scale, smoothing):
    logits, labels = draw(scale)
    for a, b in zip(ours(logits, np.eye(5)[labels], smoothing), ours(logits, labels, smoothing), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_no_smoothing_is_the_default():
    logits, labels = map(torch.from_numpy, draw(1.0))
    assert cross_entropy(logits, labels) == cross_entropy(logits, labels, label_smoothing=0.0)


# ---- class weights, shares as labels, other losses

WEIGHTS = (0.5, 2.0, 1.0, 3.0, 0.25)


def draw_shares(scale=1.0):
    """Return logits, shares that sum to 1, truth values."""
    rng = np.random.default_rng(1)
    return scale * rng.normal(size=(6, 5)), rng.dirichlet(np.ones(5), 6), rng.integers(0, 2, (6, 5)).astype(float)


def both(loss, logits):
    """Return value and gradient of a loss."""
    x = torch.tensor(logits, requires_grad=True)
    value = loss(x)
    value.backward()
    assert x.grad is not None
    return np.append(x.grad.numpy(), value.item())


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("soft", [False, True])
def test_weights_and_shares_are_torchs(weights, smoothing, soft):
    logits, shares, _ = draw_shares()
    labels = torch.from_numpy(shares if soft else draw(1.0)[1])
    own = both(lambda x: cross_entropy(x, labels, label_smoothing=smoothing, class_weights=weights), logits)
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    theirs = both(lambda x: F.cross_entropy(x, labels, weight=weight, label_smoothing=smoothing), logits)
    np.testing.assert_allclose(own, theirs, rtol=1e-13, atol=1e-16)
    focal = both(lambda x: focal_loss(x, labels, gamma=0.0, label_smoothing=smoothing, class_weights=weights), logits)
    np.testing.assert_allclose(focal, theirs, rtol=1e-12, atol=1e-15)


def test_focal_loss_is_its_formula():
    logits, labels = draw(1.0)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own, w = p[np.arange(6), labels], np.array(WEIGHTS)[labels]
    value = focal_loss(torch.from_numpy(logits), torch.from_numpy(labels), gamma=2.0, class_weights=WEIGHTS)
    np.testing.assert_allclose(value.item(), (w * (1 - own) ** 2 * -np.log(own)).sum() / w.sum(), rtol=1e-13)


def test_binary_cross_entropy_is_torchs_and_its_focal_form_torchvisions():
    from torchvision.ops import sigmoid_focal_loss

    logits, _, truth = draw_shares()
    t, w = torch.from_numpy(truth), torch.tensor(WEIGHTS, dtype=torch.float64)
    own = both(lambda x: binary_cross_entropy(x, t, class_weights=WEIGHTS), logits)
    np.testing.assert_allclose(own, both(lambda x: F.binary_cross_entropy_with_logits(x, t, w), logits), rtol=1e-13)
    own = both(lambda x: binary_cross_entropy(x, t, gamma=1.5), logits)
    theirs = both(lambda x: sigmoid_focal_loss(x, t, alpha=-1, gamma=1.5, reduction="mean"), logits)
    np.testing.assert_allclose(own, theirs, rtol=1e-11)


@pytest.mark.parametrize("loss", [focal_loss, binary_cross_entropy])
def test_saturated_logits_have_finite_gradients(loss):
    logits, labels = draw(300.0)
    assert np.isfinite(both(lambda x: loss(x, torch.from_numpy(labels), gamma=2.0), logits)).all()


def test_class_numbers_are_one_truth_value_each():
    logits, labels = map(torch.from_numpy, draw(1.0))
    truth = F.one_hot(labels, 5).double()
    assert binary_cross_entropy(logits, labels) == binary_cross_entropy(logits, truth)
