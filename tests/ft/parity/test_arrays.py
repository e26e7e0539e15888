"""The one function that says how far apart two arrays are, and the one table of what counts as equal."""

import re
from pathlib import Path

import numpy as np
import pytest

from ft.parity.arrays import BARS, PIECE, compare, gap

ROOT = Path(__file__).parents[3]


def test_a_gap_is_of_the_largest_and_counts_what_is_beyond_the_bar():
    x = np.linspace(1, 2, 3 * PIECE + 5, dtype=np.float32)  # of several pieces
    y = x.astype(np.float64)
    y[[0, PIECE, -1]] += 0.5, 0.25, 0.75
    apart = gap(x, y, bar=0.1)
    assert (apart.absolute, apart.relative, apart.beyond) == (0.75, 0.75 / 2.75, 2)
    assert apart.magnitudes == (2.0, 2.75)
    assert gap(y, x).relative == apart.relative
    assert gap(np.zeros(3), np.zeros(3)).relative == 0


@pytest.mark.parametrize(("off", "equal"), [(1e-16, True), (1e-12, True), (1e-9, False)])
def test_a_running_mean_is_measured_by_the_spread_of_its_values(off, equal):
    """Of values that cancel the mean is nothing but rounding, and a hundred millionth of the spread is no rounding."""
    mean, variance = np.full(3, 1e-7), np.array([1.0, 4.0, 0.25])
    sides = [{"bn.running_mean": mean + shift, "bn.running_var": variance} for shift in (0, off)]
    found = compare(*sides, bar=1e-11)
    assert (not found.faults) == equal
    assert found.largest == pytest.approx(off / 2, rel=1e-4)
    others = [{name.replace("running", "other"): x for name, x in side.items()} for side in sides]
    assert compare(*others, bar=1e-11).largest == pytest.approx(off / 1e-7, rel=0.02)


def test_where_nan_and_infinity_stand_comes_first():
    odd = np.array([1.0, np.nan, np.inf, -np.inf])
    assert gap(odd, odd + np.array([0.5, 0, 0, 0])).absolute == 0.5
    for other in ([1, np.nan, np.inf, np.inf], [1, 0, np.inf, -np.inf], [np.nan] * 4, [1, np.nan, np.inf]):
        apart = gap(odd, np.array(other))
        assert apart.fault
        assert (apart.relative, apart.absolute, apart.beyond) == (np.inf, np.inf, 4)


@pytest.mark.parametrize(
    ("row", "bar"), [("inference", "inference"), ("every gradient", "step"), ("100 steps, whole network", "trajectory")]
)
def test_the_readme_says_the_bars_of_the_table(row, bar):
    (said,) = re.findall(rf"^\| {row}[^|]*\| (\S+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert float(said) == BARS["float64"][bar]
