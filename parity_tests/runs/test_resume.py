"""A run belongs to both wings: begun in one, stopped in the middle of an epoch, and finished in the other."""

from pathlib import Path

import numpy as np
import pytest

import ft
from ft.parity.arrays import ZERO, require_equal
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.signals import Interrupted
from parity_tests.support.pairs import STEP, colours_csv, digits_folder
from parity_tests.support.stops import interrupt_after

# its last stages train: BatchNorm statistics, momentum, noise, augmentation and schedule all have to carry over
RECIPE = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "freeze": "stem,stage1,stage2,stage3,stage4,stage5,stage6",
    "augment": "crop-flip",
    "precision": "float64",
    "batch_size": 16,
    "epochs": 2,
    "schedule": "cosine",
    "seed": 5,
    "workers": 2,
}
STOP_AT = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of a few digits: seven batches an epoch, the last one short."""
    return digits_folder(tmp_path_factory.mktemp("digits"), train=100, val=20)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run that was never interrupted."""
    return ft.finetune(**RECIPE, data=data, backend="torch", out=tmp_path_factory.mktemp("whole"), quiet=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [("torch", "tf"), *(pytest.param(first, "torch", marks=pytest.mark.slow) for first in ("tf", "torch"))],
)
def test_interrupted_run_goes_on_in_the_other_wing(first, second, data, whole, tmp_path, monkeypatch, say):
    interrupt_after(STOP_AT, monkeypatch)
    with pytest.raises(Interrupted, match=f"step {STOP_AT}"):
        ft.finetune(**RECIPE, data=data, backend=first, out=tmp_path, quiet=True)
    monkeypatch.undo()
    assert checkpoint.load(checkpoint.pointed(tmp_path, "last")).state["position"]["batch"] == STOP_AT

    run = ft.finetune(resume=tmp_path, backend=second, quiet=True)

    bar = 0 if first == second == "torch" else STEP
    states = [checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run)]
    apart = require_equal(*(state.model for state in states), bar=bar, what="weights and statistics")
    say(f"begun in {first}, resumed in {second}: weights {apart.largest:.1e}")
    require_equal(*(state.optimizer for state in states), bar=bar, zero=ZERO, what="momentum buffers")
    logs = [read_log(r.folder) for r in (whole, run)]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    np.testing.assert_allclose([row["loss"] for row in logs[1]], [row["loss"] for row in logs[0]], rtol=STEP)
    np.testing.assert_array_equal([row.get("lr") for row in logs[1]], [row.get("lr") for row in logs[0]])


SHORT = {  # 29 images, in batches of 13, 13 and 3: stopped before the short one
    "model": "resnet18",
    "weights": "none",
    "cut": "layer2",
    "image_size": 32,
    "precision": "float64",
    "batch_size": 13,
    "epochs": 2,
    "workers": 0,
}
TASKS = {"single-label": {"freeze": "none"}, "multi-label": {"loss": "bce", "freeze": "none"}}
ACCUMULATED = {"freeze": "stem", "compile": "on", "batch_size": 13, "accumulate": 2}  # parts of 13, 13 and of 3


@pytest.fixture(scope="module")
def short_data(tmp_path_factory):
    """29 training images for each task."""
    root = tmp_path_factory.mktemp("short")
    colours = colours_csv(root, count=37)
    return {"single-label": digits_folder(root / "digits", train=29, val=8), "multi-label": split_csv(colours, 29)}


def split_csv(path, train):
    """Give the first so many rows of a CSV to the train split and the others to the val split."""
    file = Path(path)
    _, *rows = file.read_text().splitlines()
    rows = [f"{row},{'train' if i < train else 'val'}" for i, row in enumerate(rows)]
    file.write_text("\n".join(["path,label,split", *rows]) + "\n")
    return path


@pytest.mark.parametrize("backend", ["tf", pytest.param("torch", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("task", "fields", "stop"),
    [*((task, fields, 2) for task, fields in TASKS.items()), ("single-label", ACCUMULATED, 1)],
    ids=[*TASKS, "compiled and accumulated"],
)
def test_stopped_before_a_short_batch_it_goes_on_to_the_same_bits(
    task, fields, stop, backend, short_data, tmp_path, monkeypatch
):
    fields = {**SHORT, **fields, "data": short_data[task], "backend": backend, "quiet": True}
    whole = ft.finetune(**fields, out=tmp_path / "whole")
    interrupt_after(stop, monkeypatch)
    with pytest.raises(Interrupted, match=f"step {stop}"):
        ft.finetune(**fields, out=tmp_path / "run")
    monkeypatch.undo()
    run = ft.finetune(resume=tmp_path / "run", quiet=True)
    a, b = (checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run))
    require_equal(a.model, b.model, bar=0, what="weights and statistics")
    require_equal(a.optimizer, b.optimizer, bar=0, what="momentum buffers")


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_a_run_evaluates_alike_in_both_wings(backend, whole):
    opened = ft.Run(whole.folder, backend=backend)
    assert opened.evaluate()["top1"] == whole.metrics["top1"]
    assert opened.evaluate()["loss"] == pytest.approx(whole.metrics["loss"], rel=1e-12)


@pytest.mark.parametrize("backend", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_the_same_seed_twice_gives_the_same_bits(backend, data, tmp_path):
    fields = {**RECIPE, "precision": "float32", "epochs": 1}
    runs = [ft.finetune(**fields, data=data, backend=backend, out=tmp_path / name, quiet=True) for name in "ab"]
    files = [(run.folder / "model.safetensors").read_bytes() for run in runs]
    assert files[0] == files[1]
