"""Metrics against scikit-learn, and their rules for ties, NaN and few classes."""

import math

import ml_dtypes
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from ft.metrics.accuracy import Metrics, softmax


def streamed(logits, labels, batch):
    metrics = Metrics()
    for start in range(0, len(labels), batch):
        metrics.update(logits[start : start + batch], labels[start : start + batch])
    return metrics


@pytest.mark.parametrize("classes", [6, 17])
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_scikit_learn_says_the_same(classes, batch):
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(203, classes)) * 3
    labels = rng.integers(classes, size=203)
    metrics = streamed(logits, labels, batch)
    known = np.arange(classes)
    assert metrics.count == 203
    assert metrics.loss == pytest.approx(log_loss(labels, softmax(logits), labels=known), rel=1e-13)
    assert metrics.top1 == accuracy_score(labels, logits.argmax(1))
    assert metrics.top5 == top_k_accuracy_score(labels, logits, k=5, labels=known)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_small_types_are_computed_in_float64(dtype):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(50, 9)) * 20).astype(dtype)
    labels = rng.integers(9, size=50)
    assert streamed(logits, labels, 8).loss == streamed(logits.astype(np.float64), labels, 8).loss
    assert softmax(logits).dtype == np.float64
    np.testing.assert_allclose(softmax(logits).sum(1), 1, rtol=1e-15)


def test_large_logits_neither_overflow_nor_lose_the_loss():
    metrics = streamed(np.array([[0.0, 5000.0]]), np.array([0]), 1)
    assert metrics.loss == 5000.0
    assert metrics.top1 == 0


def test_of_equal_logits_the_lowest_class_leads():
    logits = np.zeros((8, 8))
    metrics = streamed(logits, np.arange(8), 3)
    assert metrics.top1 == 1 / 8
    assert metrics.top5 == 5 / 8
    assert metrics.loss == pytest.approx(math.log(8), rel=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_never_right(bad):
    logits = np.zeros((1, 7))
    logits[0, 3] = bad
    with_nan = streamed(logits, np.array([0]), 1)
    assert math.isnan(with_nan.loss)
    assert with_nan.top1 == 0
    assert streamed(np.full((1, 7), np.nan), np.array([0]), 1).top5 == 0


def test_up_to_five_classes_there_is_no_top5():
    assert streamed(np.eye(5), np.arange(5), 2).top5 is None
    assert streamed(np.eye(6), np.arange(6), 2).top5 == 1


def test_without_images_all_is_nan():
    metrics = Metrics()
    metrics.update(np.zeros((0, 7)), np.zeros(0, int))
    assert all(math.isnan(x) for x in (metrics.loss, metrics.top1, metrics.top5))


@pytest.mark.parametrize(
    ("logits", "labels"), [((2, 3), [0, 3]), ((2, 3), [-1, 0]), ((2, 3), [0]), ((2, 3), [[0], [0]]), ((3,), [0, 0, 0])]
)
def test_what_does_not_fit_is_refused(logits, labels):
    with pytest.raises(ValueError, match="expected"):
        Metrics().update(np.zeros(logits), np.array(labels))
