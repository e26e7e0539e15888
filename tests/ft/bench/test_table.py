"""The ratios of a benchmark, its share of the peak, its accuracy check, and what is scaled."""

import json

import pytest

from ft.bench.process import Finished
from ft.bench.runs import Plan, Timing, plans, timing_of
from ft.bench.table import accuracy_checks, rows_of, table_text

PEAK = {"float32": 1e12, "bfloat16": 4e12, "forward_flops": 8e9}


def timing(name, seconds, *, rate=10.0, top1=0.8, warm=None, scaled=None):
    return Timing(plans()[name], seconds, rate, top1, int(2e9), 3, warm, scaled)


TIMINGS = [
    timing("textbook-torch", 100.0),
    timing("reference-torch", 300.0, scaled="4 of 30 steps and 2 of 9 to validate", top1=None),
    timing("ft-torch", 40.0, warm=20.0, rate=5000.0),
    timing("ft-torch-uncached", 80.0, rate=25.0, top1=0.7),
    timing("ft-torch-whole", 150.0, rate=5.0),
    timing("ft-tf", 50.0),
]


def test_ratios_are_against_the_run_that_trains_the_same():
    rows = {row["run"]: row for row in rows_of(TIMINGS, PEAK)}
    assert {name: row["ratio"] for name, row in rows.items()} == {
        "textbook-torch": 1.0,
        "reference-torch": 1.0,
        "ft-torch": 2.5,
        "ft-torch-uncached": 1.25,
        "ft-torch-whole": 2.0,
        "ft-tf": 2.0,
    }
    assert [row["warm_ratio"] for row in rows.values()] == [None, None, 5.0, None, None, None]
    assert rows["ft-torch-whole"]["against"] == "reference-torch"
    keras = [timing("textbook-keras", 200.0), timing("textbook-keras-whole", 400.0), timing("ft-tf-whole", 100.0)]
    rows = {row["run"]: row["ratio"] for row in rows_of([*TIMINGS, *keras], PEAK)}
    assert (rows["ft-torch"], rows["ft-tf"], rows["ft-tf-whole"]) == (2.5, 4.0, 4.0)  # of the same framework, if made


def test_the_share_of_the_peak_counts_what_runs():
    rows = {row["run"]: row["share_of_peak"] for row in rows_of(TIMINGS, PEAK)}
    assert rows["ft-torch-uncached"] == pytest.approx(25 * 8e9 / 1e12)
    assert rows["ft-torch-whole"] == pytest.approx(5 * 3 * 8e9 / 1e12)
    assert rows["ft-torch"] is None  # images that never meet the network say nothing of it
    assert {row["share_of_peak"] for row in rows_of(TIMINGS, {})} == {None}
    half = Timing(Plan("x", "torch", None, "bfloat16"), 1.0, 100.0, None, 0, 1)
    assert rows_of([half], PEAK)[0]["share_of_peak"] == pytest.approx(100 * 8e9 / 4e12)


def test_without_the_peer_there_is_no_ratio():
    (row,) = rows_of(TIMINGS[2:3], PEAK)
    assert (row["ratio"], row["warm_ratio"], row["against"]) == (None, None, None)
    assert "ratio:" not in table_text([row])


def test_the_accuracy_of_the_textbook_must_be_reached():
    checks = {check["run"]: check["passed"] for check in accuracy_checks(TIMINGS, val_images=100)}
    assert checks == {"ft-torch": True, "ft-torch-uncached": False, "ft-tf": True}  # 0.8 - 0.7 is above 2 * 0.04
    assert accuracy_checks(TIMINGS, val_images=36)[1]["passed"]  # and below 2 * 0.067
    assert accuracy_checks(TIMINGS[1:], val_images=100) == []
    perfect = [timing("textbook-torch", 1.0, top1=1.0), timing("ft-tf", 1.0, top1=0.98)]
    assert accuracy_checks(perfect, val_images=100)[0]["passed"]
    assert not accuracy_checks(perfect, val_images=10000)[0]["passed"]


def test_the_table_says_what_was_scaled():
    text = table_text(rows_of(TIMINGS, PEAK))
    lines = text.splitlines()
    assert len({len(line) for line in lines[:7]}) == 1
    assert "300.0*" in lines[2]
    assert "* scaled: reference-torch did 4 of 30 steps and 2 of 9 to validate" in lines
    assert lines[-1] == "ratio: whole processes, cold (warm) against textbook-torch and reference-torch cold"
    assert lines[3].split() == ["ft-torch", "40.0", "20.0", "2.50", "5.00", "5000.0", "-", "0.800", "2000"]


def report(*epochs, steps, top1=None):
    """Pretend a peer's; it validates in 4 steps, of which the last epoch did 1 where the rest was left out."""
    rows = [
        {"steps": s, "images": i, "seconds": t, "first": 0.5, "val_steps": 4, "val_step": 0.3} for s, i, t in epochs
    ]
    if top1 is None:
        rows[-1].update(val_steps=1)
    return Finished(20.0, 1000, json.dumps({"epochs": rows, "steps": steps, "val_steps": 8, "top1": top1}))


def test_a_part_of_a_peers_steps_is_scaled_by_its_last_epoch():
    plan = plans()["textbook-torch"]
    whole = timing_of(plan, report((10, 300, 5.0), (10, 300, 4.0), steps=20, top1=0.5), epochs=2)
    assert (whole.seconds, whole.rate, whole.top1, whole.scaled) == (20.0, 75.0, 0.5, None)
    part = timing_of(plan, report((10, 300, 5.0), (3, 96, 0.9), steps=20), epochs=2)
    assert part.seconds == pytest.approx(20.0 + 7 * 0.2 + 3 * 0.3)  # the first step took 0.5 s of the 0.9
    assert part.rate == pytest.approx(32 / 0.2)
    lone = timing_of(plan, report((1, 32, 0.5), steps=20), epochs=2)
    assert lone.seconds == pytest.approx(20.0 + 19 * 0.5 + 7 * 0.3)
    assert part.scaled == "13 of 20 steps and 5 of 8 to validate"


def test_repeated_runs_give_medians_and_their_spread():
    peers = [
        timing("textbook-torch", seconds, rate=rate) for seconds, rate in ((90.0, 9.0), (300.0, 3.0), (110.0, 8.0))
    ]
    ours = [timing("ft-torch", seconds, warm=seconds / 2) for seconds in (50.0, 10.0, 55.0)]
    turns = [run for turn in zip(peers, ours, strict=True) for run in turn]
    rows = {row["run"]: row for row in rows_of(turns, {})}
    assert list(rows) == ["textbook-torch", "ft-torch"]
    peer, own = rows.values()
    assert (peer["seconds"], peer["images_per_second"], own["seconds"], own["warm_seconds"]) == (110, 8, 50, 25)
    assert (own["ratio"], own["warm_ratio"]) == (110 / 50, 110 / 25)  # a mean, or the last one, says something else
    assert (peer["spread"]["seconds"], own["spread"]["warm_seconds"]) == ((90, 300), (5, 27.5))
    assert peer["spread"]["warm_seconds"] is None
    assert [one["seconds"] for one in own["repeats"]] == [50, 10, 55]
    lines = table_text(list(rows.values())).splitlines()
    assert lines[3].split() == ["ft-torch", "50.0", "25.0", "2.20", "4.40", "10.0", "-", "0.800", "2000"]
    assert lines[4].split() == ["10.0-55.0", "5.0-27.5", "10.0-10.0", "0.800-0.800", "2000-2000"]
    assert lines[5] == "medians of 3 runs, all in turn; below each its least and its most"


def test_accuracy_is_judged_by_the_median():
    turns = [timing("textbook-torch", 1.0, top1=top1) for top1 in (0.8, 0.9, 0.8)]
    turns += [timing("ft-torch", 1.0, top1=top1) for top1 in (0.1, 0.8, 0.8)]
    (check,) = accuracy_checks(turns, val_images=100)
    assert (check["top1"], check["textbook"], check["passed"]) == (0.8, 0.8, True)
