"""How well numbers agree: against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics import mean_squared_error, root_mean_squared_error

from ft.metrics.regression import pearson, ranks, spearman
from ft.tasks.regression import REGRESSION

RNG = np.random.default_rng(0)
TRUTH = np.round(RNG.normal(1e3, 2, 90), 1)  # far from 0, with ties
SAID = np.round(0.7 * TRUTH + RNG.normal(0, 2, 90), 1)


def measured(parts):
    meter = REGRESSION.meter(())
    for part in parts:
        meter.update({"logits": SAID[part, None]}, {"values": TRUTH[part]})
    return meter.result()


def test_the_figures_are_scipys():
    expected = {
        "pearson": pearsonr(TRUTH, SAID).statistic,
        "spearman": spearmanr(TRUTH, SAID).statistic,
        "rmse": root_mean_squared_error(TRUTH, SAID),
        "loss": mean_squared_error(TRUTH, SAID),
    }
    assert measured([slice(None)]) == pytest.approx(expected, rel=1e-13)
    assert measured([slice(60, 90), slice(0, 60)]) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_array_equal(ranks(TRUTH), rankdata(TRUTH))


@pytest.mark.parametrize("odd", [np.full(90, 0.1), np.where(np.arange(90) == 7, np.nan, SAID)])
def test_nothing_to_correlate_is_no_number(odd):
    assert np.isnan([f(*pair) for f in (pearson, spearman) for pair in ((TRUTH, odd), (odd, TRUTH))]).all()
    assert np.isnan(pearson(TRUTH[:1], SAID[:1]))
