"""The expected calibration error against a loop over the definition, and against cases known by hand."""

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from ft.metrics.calibration import BINS, reliability_of


def by_definition(probability, right):
    """Return the ECE image by image."""
    total = 0.0
    for i in range(BINS):
        inside = [(p, r) for p, r in zip(probability, right, strict=True) if i / BINS < p <= (i + 1) / BINS]
        if inside:
            ps, rs = zip(*inside, strict=True)
            total += len(inside) / len(right) * abs(sum(rs) / len(rs) - sum(ps) / len(ps))
    return total


def drawn(seed, sharpen):
    """Return probabilities and whether they were right; sharpen 1 is calibrated."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 1, 5000)
    return p, rng.random(5000) < p**sharpen


@pytest.mark.parametrize("sharpen", [0.5, 1, 3])
def test_ece_is_its_definition(sharpen):
    probability, right = drawn(0, sharpen)
    assert reliability_of(probability, right).ece == pytest.approx(by_definition(probability, right), rel=1e-12)


def test_bins_are_scikit_learns():
    probability, right = drawn(1, 2)
    ours = reliability_of(probability, right)
    accuracy, confidence = calibration_curve(right, probability, n_bins=BINS)
    np.testing.assert_allclose(ours.accuracy[ours.count > 0], accuracy, rtol=1e-12)
    np.testing.assert_allclose(ours.confidence[ours.count > 0], confidence, rtol=1e-12)


def test_calibrated_over_and_under():
    assert reliability_of(*drawn(2, 1)).ece < 0.03
    for power, sign in ((3, 1), (0.5, -1)):
        reliability = reliability_of(*drawn(2, power))
        assert (
            np.nansum(sign * (reliability.confidence - reliability.accuracy) * reliability.count)
            > 0.1 * reliability.count.sum()
        )
    assert reliability_of(np.ones(4), np.array([True, True, True, False])).ece == 0.25


def test_the_ends_of_the_range_have_a_bin():
    reliability = reliability_of(np.array([0.0, 1 / BINS, 1.0]), np.array([True, False, True]))
    assert reliability.count[0] == 2
    assert reliability.count[-1] == 1


def test_nan_and_nothing():
    assert math.isnan(reliability_of(np.array([0.5, np.nan]), np.array([True, False])).ece)
    assert math.isnan(reliability_of(np.zeros(0), np.zeros(0, bool)).ece)
