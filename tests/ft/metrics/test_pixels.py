"""What masks are worth: against scikit-learn's confusion matrix and torchvision's reference formula."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from ft.metrics.pixels import PixelCounts, pixel_scores

RNG = np.random.default_rng(0)
MASKS = RNG.choice([0, 1, 2, 4, 255], (5, 6, 7), p=[0.3, 0.2, 0.2, 0.2, 0.1]).astype(np.uint8)
LOGITS = RNG.normal(size=(5, 6, 7, 6)).astype(np.float32) - 9 * (np.arange(6) == 3)  # class 3 occurs nowhere


def counts_of(parts):
    counts = PixelCounts(6)
    for part in parts:
        counts.update(LOGITS[part], MASKS[part])
    return counts


def test_the_confusion_matrix_and_iou_are_scikit_learns():
    truth, said = MASKS[MASKS < 255], LOGITS.argmax(-1)[MASKS < 255]
    counts = counts_of([slice(None)])
    np.testing.assert_array_equal(counts.confusion, confusion_matrix(truth, said, labels=range(6)))
    scores = pixel_scores(counts.confusion)
    assert np.flatnonzero(np.isnan(scores.iou)).tolist() == [3]
    np.testing.assert_allclose(scores.iou[[0, 1, 2, 4, 5]], jaccard_score(truth, said, average=None), rtol=1e-15)
    assert scores.mean_iou == pytest.approx(jaccard_score(truth, said, average="macro"), rel=1e-15)
    assert counts.accuracy == (truth == said).mean()


def test_iou_is_torchvisions_reference_formula_in_float64():
    h = counts_of([slice(None)]).confusion.astype(np.float64)
    with np.errstate(invalid="ignore"):
        theirs = np.diag(h) / (h.sum(1) + h.sum(0) - np.diag(h))
    np.testing.assert_array_equal(pixel_scores(h.astype(np.int64)).iou, theirs)


def test_the_whole_set_counts_and_not_its_batches():
    whole, parts = counts_of([slice(None)]), counts_of([slice(0, 1), slice(1, 5)])
    first, second = counts_of([slice(0, 2)]), counts_of([slice(2, 5)])
    first.merge(second)
    for other in (parts, first):
        np.testing.assert_array_equal(other.confusion, whole.confusion)
        assert other.count == 5
        assert other.loss == pytest.approx(whole.loss, rel=1e-13)
    x = LOGITS[MASKS < 255].astype(np.float64)
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    assert whole.loss == pytest.approx(-log_p[np.arange(len(x)), MASKS[MASKS < 255]].mean(), rel=1e-13)


def test_where_no_pixel_counts_nothing_is_measured():
    counts = PixelCounts(3)
    counts.update(np.zeros((1, 2, 2, 3), np.float32), np.full((1, 2, 2), 255, np.uint8))
    assert (counts.count, counts.pixels) == (1, 0)
    assert np.isnan([counts.loss, counts.accuracy, pixel_scores(counts.confusion).mean_iou]).all()
