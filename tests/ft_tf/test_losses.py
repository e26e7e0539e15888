"""Each loss against its formula and against Keras's, values and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft_tf import binary_cross_entropy, cross_entropy, focal_loss

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
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = cross_entropy(x, tf.constant(labels), label_smoothing=smoothing)
    return float(loss), tape.gradient(loss, x).numpy()


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_cross_entropy_is_its_formula(scale, smoothing):
    logits, labels = draw(scale)
    (a, da), (b, db) = ours(logits, labels, smoothing), formula(logits, labels, smoothing)
    np.testing.assert_allclose(a, b, rtol=1e-13)
    np.testing.assert_allclose(da, db, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_cross_entropy_is_keras(scale, smoothing):
    logits, labels = draw(scale)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, dtype="float64")
    expected = float(theirs(np.eye(5)[labels], logits))
    np.testing.assert_allclose(ours(logits, labels, smoothing)[0], expected, rtol=1e-13)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_target_probabilities_are_keras(scale, smoothing):
    logits, _ = draw(scale)
    targets = np.random.default_rng(1).dirichlet(np.ones(5), 6)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, dtype="float64")
    np.testing.assert_allclose(ours(logits, targets, smoothing)[0], float(theirs(targets, logits)), rtol=1e-13)


@pytest.mark.parametrize(("scale", "smoothing"), CASES)
def test_one_hot_targets_are_the_labels(scale, smoothing):
    logits, labels = draw(scale)
    for a, b in zip(ours(logits, np.eye(5)[labels], smoothing), ours(logits, labels, smoothing), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_no_smoothing_is_the_default():
    logits, labels = map(tf.constant, draw(1.0))
    assert cross_entropy(logits, labels) == cross_entropy(logits, labels, label_smoothing=0.0)


# ---- class weights, shares as labels, other losses: what PyTorch gives is in parity_tests/recipe/test_recipe_optim.py

WEIGHTS = (0.5, 2.0, 1.0, 3.0, 0.25)


def draw_shares():
    """Return shares that sum to 1, and truth values."""
    rng = np.random.default_rng(1)
    return rng.dirichlet(np.ones(5), 6), rng.integers(0, 2, (6, 5)).astype(float)


@pytest.mark.parametrize("soft", [False, True])
def test_weights_divide_by_their_sum_but_with_shares_by_the_count(soft):
    logits, labels = draw(1.0)
    shares, w = draw_shares()[0] if soft else np.eye(5)[labels], np.array(WEIGHTS)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = w * (0.8 * shares + 0.2 / 5)
    total = 6 if soft else w[labels].sum()
    given = tf.constant(shares if soft else labels)
    value = cross_entropy(tf.constant(logits), given, label_smoothing=0.2, class_weights=WEIGHTS)
    np.testing.assert_allclose(float(value), -(target * log_p).sum() / total, rtol=1e-13)
    value = focal_loss(tf.constant(logits), given, gamma=2.0, label_smoothing=0.2, class_weights=WEIGHTS)
    focal = -(target * (1 - np.exp(log_p)) ** 2 * log_p).sum() / total
    np.testing.assert_allclose(float(value), focal, rtol=1e-13)


def test_binary_cross_entropy_is_keras():
    logits, truth = draw(1.0)[0], draw_shares()[1]
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64")(truth, logits)
    np.testing.assert_allclose(float(binary_cross_entropy(tf.constant(logits), tf.constant(truth))), float(theirs))
    focal = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True, dtype="float64")(truth, logits)
    own = binary_cross_entropy(tf.constant(logits), tf.constant(truth), gamma=2.0)
    np.testing.assert_allclose(float(own), float(focal), rtol=1e-6)  # Keras clips probabilities to 1e-7


def test_labels_of_no_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected \(N,\) or \(N, classes\)"):
        focal_loss(tf.constant(draw(1.0)[0]), tf.zeros((6, 5, 1)), gamma=2.0)
