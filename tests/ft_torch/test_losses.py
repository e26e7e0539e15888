"""Cross-entropy against torch.nn.functional and against its formula, values and gradients."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ft_torch import cross_entropy

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
