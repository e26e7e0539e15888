"""A run that thaws its stages, with Adam's slots, accumulation and a plateau, stopped in the middle, in either wing."""

import numpy as np
import pytest

import ft
from ft.parity.arrays import ZERO, require_equal
from ft.runs import checkpoint
from ft.system.signals import Interrupted
from parity_tests.support.pairs import STEP, digits_folder
from parity_tests.support.stops import interrupt_after

RECIPE = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "precision": "float64",
    "optimizer": "adamw",
    "eps": 1e-3,
    "decay_exempt": "norms-and-biases",
    "unfreeze": "2:stage7@0.1",
    "schedule": "plateau",
    "plateau_patience": 0,
    "class_weights": "balanced",
    "sampling": "shuffle",
    "batch_size": 16,
    "accumulate": 2,
    "epochs": 2,
    "workers": 0,
}
STOP_AT = 3  # in the epoch in which a stage has thawed


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of a few digits: two updates an epoch, the last one of two uneven parts."""
    return digits_folder(tmp_path_factory.mktemp("digits"), train=51, val=14)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run that was never interrupted."""
    return ft.finetune(**RECIPE, data=data, backend="torch", out=tmp_path_factory.mktemp("whole"), quiet=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("torch", "tf"),
        pytest.param("tf", "torch", marks=pytest.mark.slow),
        pytest.param("torch", "torch", marks=pytest.mark.slow),
    ],
)
def test_a_thawing_run_goes_on_in_the_other_wing(first, second, data, whole, tmp_path, monkeypatch, eager):
    interrupt_after(STOP_AT, monkeypatch)
    with pytest.raises(Interrupted, match=f"step {STOP_AT}"):
        ft.finetune(**RECIPE, data=data, backend=first, out=tmp_path, quiet=True)
    monkeypatch.undo()
    run = ft.finetune(resume=tmp_path, backend=second, quiet=True)

    bar = 0 if first == second else STEP
    states = [checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run)]
    apart = require_equal(*(state.model for state in states), bar=bar, what="weights and statistics")
    print(f"{first}, then {second}: weights {apart.largest:.1e}")
    require_equal(*(state.optimizer for state in states), bar=bar, zero=ZERO, what="slots")
    counts = {int(slot) for name, slot in states[1].optimizer.items() if name.endswith(".step")}
    assert counts == {2, 4}, "updates of the stage that thawed, and of the head"
    plateaus = [state.state["position"]["plateau"] for state in states]
    np.testing.assert_allclose(*(p["best"] for p in plateaus), rtol=1e-10)
    assert plateaus[0]["waited"] == plateaus[1]["waited"]
