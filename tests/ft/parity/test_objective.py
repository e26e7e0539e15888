"""The parameters of a loss are found again from its value and its gradient, taken by finite differences."""

import numpy as np
import pytest

from ft.parity.probes.objective import Head, solve_plain, solve_weighted

SAMPLES, CLASSES, FEATURES = 11, 4, 6
CLOSE = 1e-6  # central differences are good to about 1e-9


def log_softmax(z):
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def made_head(loss_of):
    """Return a last layer whose loss and gradient by its weight are those of `loss_of`(output, labels)."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(SAMPLES, FEATURES)), rng.integers(0, CLASSES, SAMPLES)
    weight = rng.normal(size=(CLASSES, FEATURES))
    gradient = np.empty_like(weight)
    for place in np.ndindex(*weight.shape):
        nudge = np.zeros_like(weight)
        nudge[place] = 1e-5
        up, down = (loss_of(features @ (weight + sign * nudge).T, labels) for sign in (1, -1))
        gradient[place] = (up - down) / 2e-5
    output = features @ weight.T
    return Head(output, labels, features, loss_of(output, labels), gradient)


@pytest.mark.parametrize(("divisor", "smoothing"), [(SAMPLES, 0.0), (32, 0.0), (1, 0.0), (SAMPLES, 0.1), (64, 0.25)])
def test_divisor_and_smoothing(divisor, smoothing):
    def loss(z, y):
        log_p = log_softmax(z)
        target = (1 - smoothing) * np.eye(CLASSES)[y] + smoothing / CLASSES
        return -(target * log_p).sum() / divisor

    objective = solve_plain(made_head(loss), "logits", CLOSE)
    assert objective is not None
    assert objective.divisor == pytest.approx(divisor, rel=1e-6)
    assert objective.smoothing == pytest.approx(smoothing, abs=1e-6)


def test_class_weights():
    weights = np.array([0.5, 1.0, 1.5, 3.0])

    def loss(z, y):
        return -(weights[y] * log_softmax(z)[np.arange(SAMPLES), y]).sum() / weights[y].sum()

    head = made_head(loss)
    assert solve_plain(head, "logits", CLOSE) is None
    objective = solve_weighted(head, "logits", CLOSE)
    assert objective is not None
    total = weights[head.labels].sum()
    assert objective.weights == pytest.approx({int(y): weights[y] / total for y in head.labels}, rel=1e-6)


@pytest.mark.parametrize(
    ("reading", "scores"),
    [
        ("logits after a softmax", lambda z: np.exp(log_softmax(z))),
        ("probabilities", lambda z: np.log(np.clip(z, 1e-7, 1 - 1e-7))),
    ],
)
def test_what_the_output_is_taken_for(reading, scores):
    head = made_head(lambda z, y: -log_softmax(scores(z))[np.arange(SAMPLES), y].mean())
    assert solve_plain(head, "logits", CLOSE) is None
    objective = solve_plain(head, reading, CLOSE)
    assert objective is not None
    assert objective.divisor == pytest.approx(SAMPLES, rel=1e-6)


def test_another_loss_is_not_explained():
    head = made_head(lambda z, y: np.maximum(0, 1 + z - z[np.arange(SAMPLES), y][:, None]).sum(1).mean())
    assert solve_plain(head, "logits", CLOSE) is None
    assert solve_weighted(head, "logits", CLOSE) is None
