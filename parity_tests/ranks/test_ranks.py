"""Several processes that train one recipe compute what one process computes: a step to 1e-13, 50 steps to 1e-11.

The reference is PyTorch alone. Of PyTorch 2 and 3 ranks are compared in every case; of TensorFlow 2 ranks in one, and
all others where there is time (slow).
"""

import numpy as np
import pytest

from parity_tests.support.ranks import CASES, FAULTS, RULES, results

STEP, TRAJECTORY = 1e-13, 1e-11
ACROSS = 1e-11  # of a step, from framework to framework
SAME = tuple(name for name in CASES if name != "apart")  # which says that BatchNorm is not synchronised
FEW = ("mixed parts",)
PLANTED = tuple(f"plain with {fault}" for fault in FAULTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def alone(folder):
    """What one process of PyTorch makes of the cases."""
    return results("torch", 1, folder / "torch-1", (*CASES, "short"))


@pytest.fixture(scope="module")
def pair(folder):
    """What two ranks of PyTorch make of them, also with a fault each."""
    return results("torch", 2, folder / "torch-2", (*CASES, *PLANTED))


def largest(arrays, kind):
    """Return the arrays of a kind, by name."""
    return {name: array for name, array in arrays.items() if name.startswith(f"{kind} ")}


def apart(a, b, kind):
    """Return how far apart the arrays of a kind are, relative to the largest of each, and to the largest of all."""
    ours, theirs = largest(a, kind), largest(b, kind)
    assert ours.keys() == theirs.keys()
    gaps = {name: float(np.abs(x - theirs[name]).max(initial=0)) for name, x in ours.items()}
    sizes = {name: float(np.abs(x).max(initial=0)) for name, x in ours.items()}
    of_all = max(gaps.values()) / max(sizes.values())
    return max(gap / (sizes[name] or 1.0) for name, gap in gaps.items()), of_all


def require_same(a, b, *, step=STEP, trajectory=TRAJECTORY):
    assert apart(a, b, "gradient")[0] <= step
    assert abs(float(a["loss"]) - float(b["loss"])) <= step * abs(float(a["loss"]))
    assert apart(a, b, "weight")[0] <= trajectory
    assert apart(a, b, "slot")[0] <= trajectory
    np.testing.assert_allclose(a["probes"], b["probes"], rtol=trajectory)


@pytest.mark.parametrize("name", SAME)
def test_two_ranks_are_one(name, alone, pair):
    require_same(alone[name], pair[name])


@pytest.mark.parametrize("names", [FEW, pytest.param(SAME, marks=pytest.mark.slow)])
def test_three_ranks_are_one(names, alone, folder):
    three = results("torch", 3, folder / f"torch-3-{len(names)}", names)
    for name in names:
        require_same(alone[name], three[name])


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "step"), [("torch", STEP), ("tf", ACROSS)])
def test_by_every_rule(wing, step, folder):
    one, two = (results(w, count, folder / f"rules-{w}-{count}", RULES) for w, count in (("torch", 1), (wing, 2)))
    for name in RULES:
        require_same(one[name], two[name], step=step)


def test_without_synchronisation_batchnorm_sees_another_batch(alone, pair):
    assert apart(alone["apart"], pair["apart"], "gradient")[1] > 1e-3


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_seen(name, alone, pair):
    one, two = alone["short"], pair[name]
    assert max(apart(one, two, "gradient")[1], apart(one, two, "weight")[1]) > 1e-6


def test_tensorflow_is_one_too(alone, folder):
    found = results("tf", 2, folder / "tf-2", FEW)
    require_same(alone[FEW[0]], found[FEW[0]], step=ACROSS)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_tensorflow_on_any_number_of_ranks(count, alone, pair, folder):
    """Three ranks of TensorFlow against two of PyTorch among them."""
    found = results("tf", count, folder / f"all-tf-{count}", SAME)
    for name in SAME:
        require_same(alone[name], found[name], step=ACROSS)
        require_same(pair[name], found[name], step=ACROSS)
