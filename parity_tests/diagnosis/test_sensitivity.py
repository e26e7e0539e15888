"""Chaos told apart from difference: what one ulp does to one wing is not called a fault, and hides none."""

import pytest

from ft.cli.parity import report_of
from ft.differences import ENTRIES
from ft.parity.sensitivity import CHAOS
from ft.parity.verdict import compare_traces
from ft.report.comparison import render_text
from parity_tests.support.one_ulp import measured, off_by_a_millionth


def test_adam_parts_by_no_more_than_one_ulp_does_to_one_wing(tmp_path, say):
    a, b, band = measured(tmp_path)
    verdict = compare_traces(a, b)
    apart = max(row.relative for row in verdict.rows if row.differs)
    say(f"adam: apart by {apart:.1e}, {max(band.times(row) for row in verdict.rows if row.differs):.2g} bands")
    assert apart > 1e-8  # a difference in size, and none in meaning
    report = report_of(a, b, band=band)
    assert [cause.entry for cause in report.causes] == [ENTRIES[CHAOS]]
    assert not report.opened
    text = " ".join(render_text(report).split())
    assert text.startswith("DIFFERENT, but not by more than one ulp does to torch alone: ")
    assert "step by step" in text


@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_a_difference_is_no_chaos_however_chaotic_the_training(tmp_path, wing):
    a, b, band = measured(tmp_path, {wing: off_by_a_millionth})
    report = report_of(a, b, band=band)
    assert not report.is_chaos
    assert CHAOS not in [finding.entry for finding in report.items]
    assert "one ulp does" not in render_text(report).splitlines()[0]
