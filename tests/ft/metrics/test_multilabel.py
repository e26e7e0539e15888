"""The metrics of sets of labels, each against scikit-learn."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sklearn_metrics

from ft.metrics import multilabel as own
from ft.tasks.multilabel import MULTI

CASES = ["plain", "ties", "constant", "one image", "rare"]


def draw(case, count=60, classes=7):
    """Return labels bool (N, K) with an image in every class, and logits."""
    rng = np.random.default_rng(CASES.index(case))
    count = 1 if case == "one image" else count
    truth = rng.random((count, classes)) < (0.03 if case == "rare" else 0.4)
    truth[0] = True
    logits = rng.normal(size=(count, classes)) + truth
    logits = {"ties": np.round(logits), "constant": np.zeros_like(logits)}.get(case, logits)
    return truth, logits


def measured(*batches):
    """Return the figures of batches of logits and labels."""
    meter = MULTI.meter(())
    for logits, labels in batches:
        meter.update({"logits": logits}, {"shares": labels})
    return meter.result()


@pytest.mark.parametrize("case", CASES)
def test_average_precision_is_scikit_learns(case):
    truth, logits = draw(case)
    theirs = sklearn_metrics.average_precision_score(truth, logits, average=None)
    np.testing.assert_allclose(own.average_precisions(truth, logits), theirs, rtol=1e-13)
    mean = sklearn_metrics.average_precision_score(truth, logits, average="macro")
    assert measured((logits, truth.astype(float)))["mAP"] == pytest.approx(mean, rel=1e-13)


def test_classes_without_an_image_are_left_out_of_the_mean():
    truth, logits = draw("plain")
    truth[:, 2] = False
    precisions = own.average_precisions(truth, logits)
    assert np.flatnonzero(np.isnan(precisions)).tolist() == [2]
    kept = [0, 1, 3, 4, 5, 6]
    theirs = sklearn_metrics.average_precision_score(truth[:, kept], logits[:, kept])
    assert own.mean_of_known(precisions) == pytest.approx(theirs, rel=1e-13)
    assert np.isnan(own.mean_of_known(np.full(3, np.nan)))


def test_average_precision_by_hand():
    """Scores 3, 2, 2, 1: thresholds at 3 (1 of 1 right), 2 (2 of 3), 1 (2 of 4); the recall rises at the first two."""
    assert own.average_precision(np.array([1, 0, 1, 0]) > 0, np.array([3.0, 2, 2, 1])) == 0.5 * 1 + 0.5 * 2 / 3


def test_a_nan_ranks_last():
    truth = np.array([True, False, False])
    assert own.average_precision(truth, np.array([np.nan, 1.0, 0.0])) == 1 / 3
    assert own.average_precision(~truth, np.array([np.nan, 1.0, 0.0])) == 1
    for scores in ([np.nan, np.nan, 0.0], [0.0, np.nan, np.nan]):  # and two of them come in together
        assert own.average_precision(np.array([False, True, False]), np.array(scores)) == 1 / 3


@pytest.mark.parametrize("case", CASES)
def test_the_sets_scores_are_scikit_learns(case):
    truth, logits = draw(case)
    logits[:, 0] = -1  # never predicted
    predicted = expit(logits) > 0.5
    names = ("precision", "recall", "f1", "support")
    theirs = sklearn_metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
    for name, values in zip(names, theirs, strict=True):
        np.testing.assert_allclose(getattr(own.set_scores(truth, predicted), name), values, rtol=1e-14)
    scores = measured((logits[:1], truth[:1]), (logits[1:], truth[1:]))
    assert scores["exact_match"] == pytest.approx(sklearn_metrics.accuracy_score(truth, predicted), rel=1e-14)
    f1 = sklearn_metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(f1, rel=1e-14)
    losses = [sklearn_metrics.log_loss(truth[:, k], expit(logits[:, k]), labels=[0, 1]) for k in range(7)]
    assert scores["loss"] == pytest.approx(np.mean(losses), rel=1e-12)


def test_a_class_that_is_nowhere_does_not_lower_f1():
    truth, predicted = np.array([[True, False], [True, False]]), np.array([[True, False], [False, False]])
    assert own.macro_f1(truth, predicted) == pytest.approx(2 / 3)


@pytest.mark.parametrize("scale", [1, 50, 1000])
def test_probabilities_and_loss_stay_finite(scale):
    logits = scale * np.linspace(-1, 1, 12).reshape(4, 3)
    np.testing.assert_allclose(own.sigmoid(logits), expit(logits), rtol=1e-13, atol=1e-16)
    truth = np.zeros((4, 3))
    assert own.binary_cross_entropy(logits, truth) == pytest.approx(np.logaddexp(0, logits).mean(), rel=1e-14)
    assert np.isnan(own.binary_cross_entropy(np.array([[np.inf]]), np.zeros((1, 1))))


def test_half_is_a_no():
    truth = np.array([[0.0, 1.0]])
    assert measured((np.array([[0.0, 1e-9]]), truth))["exact_match"] == 1
