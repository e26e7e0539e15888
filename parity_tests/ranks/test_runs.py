"""Whole trainings of every task on several ranks: what is in the run's folder is what one process writes."""

import json

import numpy as np
import pytest

from ft.runs import checkpoint
from ft.runs.folder import read_log
from parity_tests.support.ranks import RUNS, make_data, runs

CHAOTIC = {"masks"}  # BatchNorm over few values: what is an ulp at first is much more after the epochs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    make_data(place / "data")
    return place


@pytest.fixture(scope="module")
def alone(folder):
    return runs("torch", 1, folder / "torch-1")


def require_same(one, other, name):
    """Compare weights, slots, every figure of the log and the predictions of two runs."""
    a, b = (checkpoint.last_good(folder) for folder in (one, other))
    assert a is not None
    assert b is not None
    assert a.state["position"]["step"] == b.state["position"]["step"]
    bar = 1e-6 if name in CHAOTIC else 1e-10
    for ours, theirs in ((a.model, b.model), (a.optimizer, b.optimizer)):
        assert ours.keys() == theirs.keys()
        whole = max(float(np.abs(x).max(initial=0)) for x in ours.values())
        gaps = {n: float(np.abs(x.astype(float) - theirs[n].astype(float)).max(initial=0)) for n, x in ours.items()}
        assert max(gaps.values()) <= bar * whole, max(gaps, key=gaps.get)
    rows = [[row for row in read_log(folder) if "note" not in row] for folder in (one, other)]
    for x, y in zip(*rows, strict=True):
        assert x.keys() == y.keys()
        for key in x.keys() - {"images_per_second"}:
            assert x[key] == y[key] or x[key] == pytest.approx(y[key], rel=bar), key
    tables = [(folder / "predictions.csv").read_text().splitlines() for folder in (one, other)]
    assert [line.split(",")[0] for line in tables[0]] == [line.split(",")[0] for line in tables[1]]
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in other.iterdir())
    results = [json.loads((folder / "model.json").read_text()) for folder in (one, other)]
    assert results[0].keys() == results[1].keys()


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "count"), [("torch", 2), ("torch", 3), ("tf", 2), ("tf", 3)])
def test_a_run_of_several_ranks_is_that_of_one(wing, count, alone, folder):
    found = runs(wing, count, folder / f"{wing}-{count}")
    for name in RUNS:
        require_same(alone[name], found[name], name)


@pytest.mark.slow
def test_a_head_differs_by_the_order_of_a_sum_alone(alone, folder):
    """What is frozen has the same bytes; so have the kept features, which the ranks computed in shares."""
    two = runs("torch", 2, folder / "head-2", ["head"])["head"]
    one, other = (checkpoint.last_good(run) for run in (alone["head"], two))
    assert one is not None
    assert other is not None
    for name, tensor in one.model.items():
        if not name.startswith("fc"):
            np.testing.assert_array_equal(tensor, other.model[name])
        else:
            np.testing.assert_allclose(tensor, other.model[name], rtol=1e-11, atol=1e-14)
    kept = [
        {p.name: p.read_bytes() for p in (f / "cache" / "features").iterdir()}
        for f in (alone["head"].parent, two.parent)
    ]
    assert kept[0] == kept[1]
