"""What one ulp does, and what stays within a few times that."""

import numpy as np
import pytest

from ft.parity.accepted import Accepted
from ft.parity.finding_id import finding_id
from ft.parity.sensitivity import FEW, Band, by_step, chaos_in, moved_by_one_ulp
from ft.parity.verdict import Row, Verdict
from ft.report.comparison import Report, TraceSummary, render_html, render_text, to_dict

BAR = 1e-10
BAND = Band("torch", {(0, "forward", "a"): 1e-9, (0, "forward", "b"): 3e-9, (0, "forward", "c"): 2e-9})


def rows(**relative):
    return tuple(Row(0, "forward", name, far, far, 1, 2, BAR) for name, far in relative.items())


def report(**relative):
    verdict = Verdict(rows(**relative))
    sides = TraceSummary("torch", {"dtype": "float64"}, (1.0,)), TraceSummary("tf", {"dtype": "float64"}, (1.0,))
    chaos = [chaos_in(verdict, BAND)] if BAND.holds_all(verdict) else []
    return Report(verdict, tuple(chaos), sides, band=BAND)


def test_every_number_moves_to_a_neighbour():
    tensors = {
        "x": np.array([[1.0, -2.0], [0.0, 1e300]]),
        "y": np.array([1.0], np.float32),
        "n": np.arange(3),
        "s": np.array(0.5),
    }
    moved = moved_by_one_ulp(tensors)
    assert moved["y"].dtype == np.float32
    for name in ("x", "y"):
        steps = np.abs(moved[name] - tensors[name]) / np.spacing(np.abs(tensors[name]))
        assert ((steps == 1) | (steps == 0.5)).all()  # below a power of two numbers lie closer
    assert moved["n"] is tensors["n"]
    assert moved["s"] is tensors["s"]
    assert all(np.array_equal(x, moved[name]) for name, x in moved_by_one_ulp(tensors).items())


@pytest.mark.parametrize(
    ("relative", "chaos"),
    [
        ({"a": 5e-9, "b": 5e-9}, True),
        ({"a": 1.9e-8}, True),  # by luck one ulp hardly moves it: its like count, 2e-9
        ({"b": 2.9e-8}, True),
        ({"b": 3.1e-8}, False),
        ({"a": 5e-9, "b": np.inf}, False),
        ({"a": 1e-12}, False),  # nothing differs
        ({}, False),
    ],
)
def test_chaos_is_what_stays_within_a_few_times_one_ulp(relative, chaos):
    assert FEW == 10
    assert BAND.holds_all(Verdict(rows(**relative))) is report(**relative).is_chaos is chaos


def test_what_one_ulp_does_not_reach_is_no_chaos():
    assert not BAND.holds(Row(0, "batch", "images", 1e-300, 1e-300, 1, 2, 0.0))


def test_the_report_says_it_step_by_step_and_chaos_can_be_accepted():
    told = report(a=5e-9, b=2e-9)
    text = " ".join(render_text(told).split())
    assert text.startswith("DIFFERENT, but not by more than one ulp does to torch alone: torch and tf part at step 0")
    assert "moves torch alone by 1e-09; the difference is 5 times as large" in text
    assert "5e-09 | 3e-09" in text
    assert "5e-09 | 3e-09" in render_html(told)
    assert to_dict(told)["sensitivity"]["within"]
    assert [finding_id(item) for item in told.items] == ["chaotic-trajectory@a"]
    accepted = Report(
        told.verdict, told.findings, told.sides, band=BAND, accepted=Accepted({"chaotic-trajectory": "x"})
    )
    assert accepted.passed
    far = report(a=5e-9, b=1.0)
    assert "one ulp does" not in render_text(far).splitlines()[0]
    assert not to_dict(far)["sensitivity"]["within"]


def test_steps_show_the_largest_of_each_phase():
    (step,) = by_step(rows(a=5e-9, b=2e-9), BAND)
    assert (step.step, step.phase, step.apart, step.moved) == (0, "forward", 5e-9, 3e-9)
