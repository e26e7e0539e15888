"""The confusion matrix and the scores of each class against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, matthews_corrcoef, precision_recall_fscore_support

from ft.metrics.confusion import Counts, class_scores, confusion_of, top_confusions

CLASSES = 7


def drawn(seed, *, absent=()):
    """Return labels and predictions that are often right; `absent` classes never occur."""
    rng = np.random.default_rng(seed)
    known = [k for k in range(CLASSES) if k not in absent]
    labels = rng.choice(known, 60)
    return labels, np.where(rng.random(60) < 0.6, labels, rng.choice(known, 60))


def counted(labels, predicted):
    """Return the counts of images that come in two batches and in two meters."""
    halves = [Counts(CLASSES), Counts(CLASSES)]
    for counts, part in zip(halves, (slice(20), slice(20, None)), strict=True):
        counts.update(labels[part], predicted[part])
    halves[1].merge(halves[0])
    return halves[1]


@pytest.mark.parametrize(("seed", "absent"), [(0, ()), (1, (3,)), (2, (0, 6))])
def test_scikit_learn_says_the_same(seed, absent):
    labels, predicted = drawn(seed, absent=absent)
    confusion = confusion_of(labels, predicted, CLASSES)
    every = list(range(CLASSES))
    np.testing.assert_array_equal(confusion, confusion_matrix(labels, predicted, labels=every))
    ours = class_scores(confusion)
    theirs = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for a, b in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert counted(labels, predicted).macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"), rel=1e-14)
    assert counted(labels, predicted).matthews == pytest.approx(matthews_corrcoef(labels, predicted), rel=1e-14)


def test_a_class_that_is_only_predicted_counts_as_zero():
    labels, predicted = np.array([0, 0, 0]), np.array([0, 0, 2])
    confusion = confusion_of(labels, predicted, 4)
    assert counted(labels, predicted).macro_f1 == pytest.approx(f1_score([0, 0, 0], [0, 0, 2], average="macro"))
    assert class_scores(confusion).f1.tolist() == [pytest.approx(0.8), 0, 0, 0]


def test_without_images_there_is_no_score():
    nothing = counted(np.zeros(0, int), np.zeros(0, int))
    assert math.isnan(nothing.macro_f1)
    assert math.isnan(nothing.matthews)


@pytest.mark.parametrize("predicted", [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 6]])
def test_matthews_of_one_class_alone_and_of_what_is_worse_than_chance(predicted):
    labels, predicted = np.array([0, 1, 0, 1]), np.array(predicted)
    assert counted(labels, predicted).matthews == pytest.approx(matthews_corrcoef(labels, predicted), rel=1e-14)


def test_matthews_of_more_images_than_squares_fit():
    counts = Counts(2)
    counts.hits, counts.support, counts.taken = np.array([[3, 2], [4, 3], [4, 3]]) * 300_000_000
    assert counts.matthews == pytest.approx(matthews_corrcoef([0] * 4 + [1] * 3, [0, 0, 0, 1, 1, 1, 0]), rel=1e-14)


def test_the_largest_confusions_come_first():
    confusion = np.array([[9, 2, 0], [5, 8, 2], [0, 1, 7]])
    assert top_confusions(confusion, 3) == [(1, 0, 5), (0, 1, 2), (1, 2, 2)]
    assert top_confusions(confusion, 99)[-1] == (2, 1, 1)
    assert top_confusions(np.eye(3, dtype=int), 5) == []
