"""What the training loop decides from epoch to epoch: plans, rates and batches, with a wing of NumPy."""

import json
import os
import time
import weakref
from contextlib import nullcontext
from itertools import count, islice

import numpy as np
import pytest

import ft
from ft import recipe as recipes
from ft.backend import contract as backend
from ft.parity.tracing import trace_batches
from ft.runs import checkpoint
from ft.system import files
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft.training.position import Position

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0}


@pytest.fixture
def tune(fake_wing, write_images, tmp_path):
    """Fine-tune on 12 images of two classes; return the run and the rows of its log."""
    data = str(write_images())

    def tune(**fields):
        run = ft.finetune(**{**NET, "data": data, "out": tmp_path / "run", **fields})
        rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
        return run, [row for row in rows if "lr" in row]

    return tune


def test_the_plan_changes_at_the_end_of_an_epoch(tune, fake_wing, monkeypatch, capsys):
    plans = []
    monkeypatch.setattr(fake_wing, "set_plan", lambda self, plan: plans.append((plan.stages, dict(plan.rates))))
    tune(epochs=4, unfreeze="2:layer4,4:all@0.1")
    assert [stages for stages, _ in plans] == [("stem", "layer1", "layer2", "layer3"), ()]
    assert plans[1][1] == {"conv1.weight": 0.1, "fc.weight": 0.1, "fc.bias": 0.1}
    assert capsys.readouterr().err.count("frozen: stem, layer1, layer2, layer3\n") == 1


def test_a_checkpoint_has_the_slots_of_the_epoch_that_comes(tune):
    run, _ = tune(epochs=2, unfreeze="2:stem")
    saved = checkpoint.load(checkpoint.pointed(run.folder, "last"))
    assert set(saved.optimizer) == {f"{n}.momentum_buffer" for n in ("conv1.weight", "fc.weight", "fc.bias")}


def test_a_plateau_lowers_the_rate_and_is_saved(tune):
    """At a tiny rate no epoch is better by a ten-thousandth, so each one after the first lowers the rate."""
    run, rows = tune(epochs=4, lr=1e-6, schedule="plateau", plateau_patience=0, step_factor=0.5)
    assert [row["lr"] for row in rows] == pytest.approx(np.repeat([1e-6, 1e-6, 5e-7, 2.5e-7], 3))
    position = checkpoint.load(checkpoint.pointed(run.folder, "last")).state["position"]
    assert Position.from_dict(position).plateau.reduction == 0.125
    old = {key: value for key, value in position.items() if key != "plateau"}
    assert Position.from_dict(old).plateau.reduction == 1.0


def test_an_update_of_several_batches_is_a_step(tune, capsys):
    _, rows = tune(epochs=2, batch_size=2, accumulate=3)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]  # 12 images, 6 an update
    assert "an update takes the gradients of 3 batches of 2: 6 images" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_optimizer(tune):
    run, _ = tune(epochs=1)
    ft.finetune(resume=run.folder, epochs=2, momentum=0.9)  # the default, spelt out
    for change, words in (
        ({"momentum": 0.5}, "trained with momentum 0.9, now asked for 0.5"),
        ({"optimizer": "adam", "momentum": None}, "trained with optimizer sgd, now asked for adam"),
        ({"accumulate": 2}, "trained with accumulate 1, now asked for 2"),
        ({"unfreeze": "2:layer4"}, "trained with unfreeze ()"),
    ):
        with pytest.raises(ft.RunError) as caught:
            ft.finetune(resume=run.folder, epochs=3, **change)
        assert words in str(caught.value)


def test_a_run_of_before_recipes_had_versions_thaws_when_it_did(tune):
    run, _ = tune(epochs=2, unfreeze="2:stem")
    records = [run.folder / "model.json", *(run.folder / "checkpoints").glob("step-*/state.json")]
    for path, version in [
        (run.folder / "recipe.yaml", "version: 2\n"),
        *((p, '"recipe_version": 2,') for p in records),
    ]:
        now = path.read_text()
        path.write_text(now.replace("2:stem", "1:stem").replace(version, ""))
        assert len(path.read_text()) == len(now) - len(version)
    assert ft.Run(run.folder).recipe.unfreeze == ("2:stem",)
    assert ft.finetune(resume=run.folder, epochs=3).recipe.unfreeze == ("2:stem",)
    assert recipes.load(run.folder / "recipe.yaml")["unfreeze"] == ["2:stem"]


def test_the_seconds_of_a_run_are_those_of_all_its_sessions(tune, monkeypatch):
    ticks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    first, _ = tune(epochs=1)
    saved = checkpoint.load(checkpoint.pointed(first.folder, "last")).state["position"]["seconds"]
    assert 2 < saved < first.result["seconds"] < 1.5 * saved  # little is looked at behind the last checkpoint
    second = ft.finetune(resume=first.folder, epochs=2)
    again = checkpoint.load(checkpoint.pointed(first.folder, "last")).state["position"]["seconds"]
    assert saved < again < second.result["seconds"] < 1.5 * again


def test_a_resumed_run_takes_no_second_recipe(tune):
    run, _ = tune(epochs=1)
    with pytest.raises(ft.RecipeError, match="a resumed run has its own; pass the fields that change as keywords"):
        ft.finetune(ft.Recipe(lr=0.5), resume=run.folder, epochs=2)


@pytest.mark.parametrize(("asked", "got"), [(None, "tf"), ("torch", "torch")])
def test_a_run_goes_on_in_its_wing_unless_told(tune, asked, got):
    run, _ = tune(epochs=1, backend="tf")
    assert ft.finetune(resume=run.folder, epochs=2, backend=asked).backend == got
    assert checkpoint.load(checkpoint.pointed(run.folder, "last")).state["backend"] == got


@pytest.mark.parametrize("fields", [{"sampling": "balanced"}, {"accumulate": 2, "batch_size": 2}, {}])
def test_the_training_images_of_the_report_are_the_same_with_and_without_features(tune, tmp_path, fields):
    """Of every class as many as there are, each as it is: the gap to validation is what they are for."""
    kept, plain = (tune(**fields, cache=cache, out=tmp_path / cache)[0].result for cache in ("memory", "off"))
    assert kept["train_metrics"] == pytest.approx(plain["train_metrics"])
    assert kept["train_metrics"]["images"] <= 8


def test_a_start_that_fails_leaves_what_was_there(tune, tmp_path, fake_wing, monkeypatch):
    def fail(*_):
        raise ft.DataError("the first error")

    monkeypatch.setattr(fake_wing, "features", fail)
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for out in ("mine", "link", "new"):
        with pytest.raises(ft.DataError, match="the first error"):
            tune(out=tmp_path / out)
    assert os.listdir(tmp_path / "mine") == [".lock"]  # which is never removed: somebody may wait for it
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_told_before_any_work(tune, tmp_path, monkeypatch):
    monkeypatch.setattr("ft.api.finetune.prepare_job", None)
    with files.lock(tmp_path / "run", make=True), pytest.raises(ft.RunError, match="another process is writing to"):
        tune()


def test_a_run_may_lie_among_its_images(tune, tmp_path):
    assert tune(epochs=1, out=tmp_path / "pets" / "run")[0].classes == ("cat", "dog")


def test_features_are_computed_in_batches_that_fit(tune, fake_wing, monkeypatch):
    sizes, features = set(), fake_wing.features
    monkeypatch.setattr(fake_wing, "features", lambda self, x: sizes.add(len(x)) or features(self, x))
    tune(batch_size=2, accumulate=4, cache="memory")
    assert max(sizes) == 2


def test_a_name_that_is_no_text(tune, tmp_path):
    run, _ = tune(name=b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert (run.folder / "curves.png").is_file()


def test_a_rate_that_a_plateau_lowered_is_another_schedules_no_more(tune):
    run, _ = tune(epochs=3, lr=1e-6, schedule="plateau", plateau_patience=0, step_factor=0.5)
    ft.finetune(resume=run.folder, epochs=4, schedule="constant")
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [row["lr"] for row in rows if "lr" in row][-4:] == pytest.approx([2.5e-7 * 2, 1e-6, 1e-6, 1e-6])


def test_an_average_keeps_its_statistics(tune, fake_wing, monkeypatch):
    monkeypatch.setattr(fake_wing, "averaged", lambda self: nullcontext(), raising=False)
    run, _ = tune(epochs=1, ema=0.9)
    with pytest.raises(ft.RunError, match="trained with bn frozen, now asked for update"):
        ft.finetune(resume=run.folder, epochs=2, bn="update")
    run, _ = tune(epochs=1, out=run.folder.parent / "without")
    ft.finetune(resume=run.folder, epochs=2, bn="update")


def test_a_run_opens_where_its_device_is_not(tune, monkeypatch):
    run, _ = tune(epochs=1, device="cpu")

    def prepare(*, device, deterministic):
        if device != "auto":
            raise ft.RecipeError(f"device: no {device} here")
        return "cpu"

    monkeypatch.setattr(backend.load("torch"), "prepare", prepare)
    assert ft.Run(run.folder).evaluate() == pytest.approx(run.metrics)


def test_steps_that_wait_to_be_logged_keep_no_images(tune, fake_wing, monkeypatch):
    alive, step = [], fake_wing.step

    def watch(self, batch, **where):
        alive.append(weakref.ref(batch.inputs))
        return step(self, batch, **where)

    monkeypatch.setattr(fake_wing, "step", watch)
    monkeypatch.setattr(fake_wing, "before_step", lambda step: kept.append(sum(ref() is not None for ref in alive)))
    kept = []
    tune(epochs=2, freeze="none")
    assert max(kept) <= 2  # the one at hand, and the one before while it is replaced


def test_a_trace_thaws_as_the_training_does(fake_wing, write_images):
    recipe = ft.Recipe(**NET, data=str(write_images()), unfreeze="2:stem", schedule="exponential", epochs=3)
    job = prepare_job(recipe)
    learner, plan = build_learner(job, backend.load("torch"), device="cpu")
    names, trained, rates = ["conv1.weight", "fc.weight", "fc.bias"], [], []
    for batch in islice(trace_batches(job, learner, plan, names), 7):
        trained.append(len(learner.get_slots()))
        rates.append(batch.lr)
    assert trained == [2, 2, 2, 3, 3, 3, 3]
    assert rates == pytest.approx(0.001 * 0.95 ** np.array([0, 0, 0, 1, 1, 1, 2]))


@pytest.mark.parametrize(
    ("fields", "probes", "what", "advice"),
    [
        ({}, (np.nan, np.nan, 1, np.nan), "loss nan, |gradient| nan", "try a lower --lr"),
        ({}, (2, np.inf, 1, np.inf), "|gradient| inf of loss 2", "try a lower --lr, or --precision float64"),
        ({"precision": "float64"}, (2, np.inf, 1, np.inf), "|gradient| inf of loss 2", "try a lower --lr"),
        ({}, (2, 1, np.inf, np.inf), "|update| inf of loss 2, |gradient| 1", "try a lower --lr"),
        ({}, (2, 1, np.inf, 1e19), "|weights| inf after an |update| 1e+19", "try a lower --lr"),
        (
            {"optimizer": "rmsprop", "eps": 0},
            (2, 1, np.nan, np.nan),
            "|update| nan of loss 2, |gradient| 1: eps 0 divides by zero",
            "try --eps 1e-08",
        ),
        (
            {"optimizer": "adam", "eps": 1e-300},
            (2, 1, np.inf, np.inf),
            "|update| inf of loss 2, |gradient| 1",
            "try a lower --lr, or --eps 1e-08",
        ),
    ],
)
def test_a_step_that_breaks_names_what_is_not_finite(tune, fake_wing, monkeypatch, fields, probes, what, advice):
    bad = [*probes, 0]
    monkeypatch.setattr(fake_wing, "fetch", lambda self, pending: np.tile(bad, (len(pending), 1)).astype(float))
    with pytest.raises(ft.RunError) as caught:
        tune(epochs=1, **fields)
    assert str(caught.value).startswith(f"step 1: {what}; no checkpoint was saved yet; {advice}; images (")


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({"optimizer": "adam"}, True),
        ({"optimizer": "adagrad"}, True),
        ({"optimizer": "adagrad", "initial_accumulator": 0.1}, False),
        ({"optimizer": "lars"}, False),
    ],
)
def test_an_eps_of_zero_is_warned_of_where_it_divides(tune, capsys, fields, warned):
    tune(epochs=1, eps=0, **fields)
    assert ("divides by zero where a gradient is 0" in capsys.readouterr().err) == warned
