"""Means of checkpoints, and runs that end with an average of their weights."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import ft
from ft.errors import RunError
from ft.runs import checkpoint
from ft.training.averaging import decay_at, is_averaged, mean_of
from ft.weights import read_weights


def test_the_mean_is_taken_in_float64():
    rng = np.random.default_rng(0)
    parts = [{"w": rng.normal(size=50).astype(np.float32), "n": np.array(i)} for i in range(7)]
    mean = mean_of(parts)
    expected = np.mean([p["w"].astype(np.float64) for p in parts], axis=0).astype(np.float32)
    np.testing.assert_array_equal(mean["w"], expected)
    assert mean["n"] == 6
    np.testing.assert_array_equal(mean_of([parts[0]])["w"], parts[0]["w"])
    with pytest.raises(RunError, match="no checkpoint"):
        mean_of([])


def test_the_decay_warms_up():
    assert [decay_at(0.9, t, warmup=True) for t in (0, 8, 80, 1000)] == [0.1, 0.5, 0.9, 0.9]
    assert decay_at(0.9, 0, warmup=False) == 0.9


def test_counters_are_not_averaged():
    assert is_averaged("layer1.0.bn1.running_var")
    assert not is_averaged("layer1.0.bn1.num_batches_tracked")


def finetune(write_images, tmp_path, **fields):
    if not (tmp_path / "pets").exists():
        write_images()
    usual = {"model": "resnet18", "weights": "none", "image_size": 16, "epochs": 5, "lr": 0.5, "precision": "float64"}
    return ft.finetune(**{**usual, **fields}, data=str(tmp_path / "pets"), out=tmp_path / "run", quiet=True)


@pytest.fixture
def accuracies(monkeypatch):
    """Let the epochs have these validation accuracies."""
    from ft.training import loop as train

    def of(*values):
        left, original = list(values), train.Training.end_epoch
        real = train.evaluate

        def end_epoch(self, **rest):
            top1 = left.pop(0)

            def evaluate(*arguments, **options):
                measured = real(*arguments).result()
                return SimpleNamespace(result=lambda: {**measured, "top1": top1})

            monkeypatch.setattr(train, "evaluate", evaluate)
            row = original(self, **rest)
            monkeypatch.setattr(train, "evaluate", real)
            return row

        monkeypatch.setattr(train.Training, "end_epoch", end_epoch)

    return of


def test_the_best_epochs_are_kept_and_averaged(fake_wing, write_images, tmp_path, accuracies):
    accuracies(0.5, 0.8, 0.6, 0.8, 0.4)
    run = finetune(write_images, tmp_path, result="average", average_best=3)
    assert run.result["averaged_epochs"] == [2, 3, 4]
    per_epoch = checkpoint.load(checkpoint.pointed(run.folder, "last")).step // 5
    kept = checkpoint.steps(run.folder)
    assert sorted(kept) == [per_epoch * epoch for epoch in (2, 3, 4, 5)]
    parts = [checkpoint.load(kept[per_epoch * epoch]).model for epoch in (2, 3, 4)]
    expected = np.mean([part["fc.weight"] for part in parts], axis=0)
    averaged = read_weights(run.folder / "model.safetensors")["fc.weight"]
    np.testing.assert_allclose(averaged, expected, rtol=1e-15)
    assert np.abs(averaged - parts[0]["fc.weight"]).max() > 1e-6


def test_average_of_fewer_epochs_than_asked_for(fake_wing, write_images, tmp_path):
    run = finetune(write_images, tmp_path, result="average", epochs=2)
    assert run.result["averaged_epochs"] == [1, 2]


def test_a_resumed_run_keeps_its_ranking(fake_wing, write_images, tmp_path, accuracies):
    accuracies(0.5, 0.8, 0.6, 0.7)
    finetune(write_images, tmp_path, result="average", average_best=2, epochs=2)
    run = ft.finetune(resume=tmp_path / "run", epochs=4, quiet=True)
    assert run.result["averaged_epochs"] == [2, 4]


@pytest.mark.parametrize(
    "fields", [{"ema": 0.9}, {"l2sp": 0.1, "freeze": "none"}, {"penalty_exempt": "norms-and-biases"}]
)
def test_a_resumed_run_keeps_what_its_checkpoint_holds(fields, fake_wing, write_images, tmp_path):
    finetune(write_images, tmp_path)
    saved = tmp_path / "run/recipe.yaml"
    assert saved.exists()
    fields = {"weights": "imagenet", **fields} if "l2sp" in fields else fields
    with pytest.raises(RunError, match="a resumed run keeps it, start a new one to change it"):
        ft.finetune(resume=tmp_path / "run", epochs=9, quiet=True, **fields)
    assert json.loads((tmp_path / "run/model.json").read_text())["recipe"]["ema"] is None
