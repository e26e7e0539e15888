"""Whole trainings of every task on several ranks: what is in the run's folder is what one process writes."""

import json

import numpy as np
import pytest

from ft.parity.sensitivity import FEW
from ft.runs import checkpoint
from ft.runs.folder import read_log
from parity_tests.support.ranks import MOVED, RUNS, make_data, runs

BAR = 1e-10
CHAOTIC = "masks"  # BatchNorm over few values: one ulp at the start is some 1e-9 in the end


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    make_data(place / "data")
    return place


@pytest.fixture(scope="module")
def alone(folder):
    return runs("torch", 1, folder / "torch-1")


@pytest.fixture(scope="module")
def bars(alone, folder):
    """How far a run may be from that of one process: no more than a few times what one ulp moves that one itself."""
    moved = runs("torch", 1, folder / "moved", [CHAOTIC + MOVED])[CHAOTIC + MOVED]
    return dict.fromkeys(RUNS, BAR) | {CHAOTIC: FEW * max(apart(alone[CHAOTIC], moved).values())}


def apart(one, other):
    """Return how far apart weights, slots, and the figures of the log are: relative to the largest of a kind."""
    a, b = (checkpoint.last_good(folder) for folder in (one, other))
    found = {}
    for kind in ("model", "optimizer"):
        ours, theirs = getattr(a, kind), getattr(b, kind)
        assert ours.keys() == theirs.keys()
        whole = max(float(np.abs(x).max(initial=0)) for x in ours.values())
        gaps = [float(np.abs(x.astype(float) - theirs[n].astype(float)).max(initial=0)) for n, x in ours.items()]
        found[kind] = max(gaps) / whole
    logs = [[row for row in read_log(folder) if "note" not in row] for folder in (one, other)]
    return found | {"log": farthest(*(list(flat([without_rate(row) for row in log])) for log in logs))}


def without_rate(row):
    return {name: value for name, value in row.items() if name != "images_per_second"}


def flat(value):
    """Yield names and values of rows within each other."""
    rows = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in rows:
        yield name
        if isinstance(item, dict | list):
            yield from flat(item)
        else:
            yield item


def farthest(ours, theirs):
    """Return how far apart, relatively, numbers are; what is no number, or none in one of them, must be the same."""
    assert len(ours) == len(theirs)
    gaps = [0.0]
    for x, y in zip(ours, theirs, strict=True):
        if x != y and x == x:
            assert {type(x), type(y)} == {float}, (x, y)
            gaps.append(abs(x - y) / max(abs(x), 1e-3))
    return max(gaps)


def predicted(folder):
    """Return all that a run says of its samples, numbers as numbers."""
    said = []
    for line in (folder / "predictions.csv").read_text().splitlines():
        said += [number(cell) for cell in line.replace(",", " ").split()]
    return said + [x for path in sorted(folder.glob("*tions.json")) for x in flat(json.loads(path.read_text()))]


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def require_same(one, other, bar):
    """Compare weights, slots, every figure of the log and the predictions of two runs."""
    positions = [checkpoint.last_good(folder).state["position"] for folder in (one, other)]
    assert positions[0]["step"] == positions[1]["step"]
    found = apart(one, other) | {"predictions": farthest(predicted(one), predicted(other))}
    assert max(found.values()) <= bar, found
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in other.iterdir())
    results = [json.loads((folder / "model.json").read_text()) for folder in (one, other)]
    assert results[0].keys() == results[1].keys()


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "count"), [("torch", 2), ("torch", 3), ("tf", 2), ("tf", 3)])
def test_a_run_of_several_ranks_is_that_of_one(wing, count, alone, bars, folder):
    found = runs(wing, count, folder / f"{wing}-{count}")
    for name in RUNS:
        require_same(alone[name], found[name], bars[name])


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
