"""A run whose images have several labels, with a wing of NumPy: all that it leaves, and all that is done with it."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import ft
from ft.api.side_by_side import compare_runs, render
from ft.cli import dispatch as cli
from ft.errors import DataError, RecipeError, RunError
from ft.metrics.multilabel import sigmoid
from ft.report.training.page import write_training_report
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.names import PREDICTIONS
from ft.tasks.label_sets import SetPrediction, read_label_sets, sets_in, write_label_sets
from ft.tasks.multilabel import MULTI
from ft.training.job import prepare_job, weigh_classes
from ft.training.position import Position
from tests.oracle import needs_torch

ROOT = Path(__file__).parents[3]
NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "loss": "bce"}
NET |= {"epochs": 8, "lr": 0.5, "precision": "float64", "quiet": True}


@pytest.fixture
def tune(fake_wing, write_sets, tmp_path):
    """Fine-tune on the coloured squares into tmp_path/OUT."""
    data = str(write_sets())

    def tune(out="run", **fields):
        return ft.finetune(**{**NET, "data": data, **fields}, out=tmp_path / out)

    return tune


def epochs_of(run):
    return [row for row in read_log(run.folder) if row.get("epoch_end")]


def test_a_run_leaves_what_it_measured(tune):
    run = tune()
    assert run.task is MULTI
    assert run.classes == ("blue", "green", "red")
    assert set(run.metrics) == {"mAP", "exact_match", "loss", "macro_f1"}
    assert run.metrics["mAP"] == 1
    assert (run.result["task"], run.result["average_precision"]) == ("multi-label", [1, 1, 1])
    assert set(run.result["train_metrics"]) == {*run.metrics, "images"}
    rows = epochs_of(run)
    assert {"mAP", "exact_match", "val_loss"} <= rows[0].keys()
    assert "top1" not in rows[0]
    assert rows[-1]["val_loss"] == run.metrics["loss"] < rows[0]["val_loss"]
    assert not (run.folder / "confusion.png").exists()
    with Image.open(run.folder / "curves.png") as image:
        assert image.width > image.height


def test_predictions_hold_the_sets(tune):
    run = tune()
    predictions = {p.name: p for p in read_label_sets(run.folder)}
    samples = run.validation_samples()
    logits = np.concatenate([run.learner.outputs(batch.inputs)["logits"] for batch in run.batches(samples).epoch(0)])
    for sample, p in zip(samples, sigmoid(logits), strict=True):
        own = predictions[sample.name]
        assert own.label == tuple(run.classes[k] for k in sample.label)
        assert own.predicted == tuple(name for name, x in zip(run.classes, p, strict=True) if x > 0.5)
        np.testing.assert_allclose(own.probability, p[p > 0.5], rtol=1e-12)
    assert any(not p.label for p in predictions.values())
    assert any(len(p.label) > 1 for p in predictions.values())


def test_it_is_evaluated_and_predicts_with_the_sigmoid(tune, tmp_path):
    run = tune()
    opened = ft.Run(run.folder)
    for _ in range(2):  # what an evaluation wrote, the next one may replace
        assert opened.evaluate(out=tmp_path / "said") == pytest.approx(run.metrics, rel=1e-12)
    own, said = (read_label_sets(folder) for folder in (run.folder, tmp_path / "said"))
    assert [(p.name, p.label, p.predicted) for p in said] == [(p.name, p.label, p.predicted) for p in own]
    with pytest.raises(ft.RunError, match="in use"):
        opened.evaluate(out=run.folder)
    assert set(opened.evaluate(run.recipe.data)) == set(run.metrics)
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., :2] = 225  # red and green
    logits = opened.learner.outputs(opened.preprocess.normalise(image[None], "float64"))["logits"][0]
    [guesses] = opened.predict([image], top=1)
    assert {g.label for g in guesses} == {"red", "green"}  # one was asked for, two are a yes
    assert [g.probability for g in guesses] == sorted(sigmoid(logits[None])[0][[1, 2]].tolist(), reverse=True)
    assert len(opened.predict([image], top=3)[0]) == 3
    (tmp_path / "sets/one.csv").write_text("path,label\n001.png,red\n002.png,green\n")
    assert opened.evaluate(str(tmp_path / "sets/one.csv"))["mAP"] == 1


@pytest.mark.parametrize("option", ["predict", "evaluate", "report"])
def test_the_commands(option, tune, tmp_path, capsys):
    run = tune()
    image = str(tmp_path / "sets/007.png")
    arguments = {"predict": [str(run.folder), image, "--json"], "evaluate": [str(run.folder)]}
    assert cli.dispatch([option, *arguments.get(option, [str(run.folder)])]) == 0
    printed = capsys.readouterr().out
    if option == "predict":
        assert {row["label"] for row in json.loads(printed)[0]["classes"]} == {"red", "green", "blue"}
    elif option == "evaluate":
        assert printed.startswith("mAP 1.0000  exact_match ")


def test_the_report_has_classes_and_no_confusions(tune):
    run = tune()
    page = (run.folder / "report.html").read_text()
    for words in ("Mean average precision (%)", "exact match", 'class="number">AP</th>', "binary cross-entropy"):
        assert words in page
    for words in ("taken for", "Does it know when it errs", "Most frequent confusions"):
        assert words not in page
    (run.folder / "report.html").unlink()
    assert ft.Run(run.folder).write_report().read_text() == page


def test_the_report_names_wrong_sets(tmp_path):
    classes = ["a", "b<i>", "c"]
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]])
    p = np.array([[0.9, 0.1, 0.2], [0.2, 0.7, 0.97], [0.6, 0.1, 0.1], [0.2, 0.1, 0.3]])
    write_label_sets(tmp_path, ["0.png", "1.png", "2.png", "3.png"], sets_in(truth, p), classes)
    (tmp_path / "log.jsonl").write_text("")
    result = {
        "architecture": "resnet18",
        "backend": "tf",
        "task": "multi-label",
        "recipe": ft.recipe.to_dict(ft.Recipe(loss="bce")),
        "classes": classes,
        "data": {"train": 8, "val": 4},
        "metrics": {"mAP": 0.5, "exact_match": 0.25, "loss": 0.5, "macro_f1": 0.5},
        "average_precision": [1.0, None, 0.5],
        "train_metrics": {"mAP": 0.5, "exact_match": 0.5, "loss": 0.2, "images": 4},
        "versions": {},
        "seconds": 1.0,
    }
    page = write_training_report(tmp_path, result, None).read_text()
    wrong = [page.index(f">{name}.png<") for name in (1, 2, 3)]  # by the probability of what is wrong; then what lacks
    assert wrong == sorted(wrong)
    assert ">0.png<" not in page
    assert "<b>b&lt;i&gt;, c</b> 97.0 %<small>is a, b&lt;i&gt;</small>" in page
    assert "<b>nothing</b><small>is c</small>" in page
    assert "<i>" not in page
    with pytest.raises(RunError, match="class 'c' is not among the run's classes"):
        write_training_report(tmp_path, {**result, "classes": ["a", "b<i>"]}, None)


def test_names_with_signs_come_back(tmp_path):
    classes, truth = ["a,b", "new\nline", "back\\slash", '"'], np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    write_label_sets(tmp_path, ["x", "y"], sets_in(truth, truth * 0.75), classes)
    assert read_label_sets(tmp_path) == [
        SetPrediction("x", tuple(classes), tuple(classes), (0.75,) * 4),
        SetPrediction("y", (), (), ()),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.png,cat,cat", "four columns"),
        ("a.png,cat,cat|dog,0.5", "2 predicted labels and 1 probabilities of a.png"),
        ("a.png,cat,cat,much", "could not convert"),
    ],
)
def test_predictions_that_were_changed(line, words, tmp_path):
    (tmp_path / PREDICTIONS).write_text(f"name,label,predicted,probability\n{line}\n")
    with pytest.raises(RunError, match=words):
        read_label_sets(tmp_path)


# ---- the score


def test_the_best_epoch_is_that_of_the_highest_map(tune, monkeypatch):
    from ft.training import loop as train

    scores, real = [0.5, 0.8, 0.6, 0.7], train.evaluate

    def evaluate(*arguments, **options):
        score = scores[min(len(seen), 3)]
        seen.append({**real(*arguments).result(), "mAP": score, "exact_match": 1 - score})
        return SimpleNamespace(result=lambda last=seen[-1]: last)

    seen = []
    monkeypatch.setattr(train, "evaluate", evaluate)
    run = tune(epochs=4, result="best")
    assert run.result["epoch"] == 2
    seen.clear()
    assert epochs_of(tune("stopped", epochs=9, patience=1))[-1]["epoch"] == 3
    seen.clear()
    assert tune("mean", epochs=4, result="average", average_best=2).result["averaged_epochs"] == [2, 4]
    state = checkpoint.load(checkpoint.pointed(run.folder, "last")).state
    assert state["position"]["best_score"] == 0.8
    assert state["task"] == "multi-label"


def test_a_checkpoint_of_before_there_were_scores():
    values = asdict(Position(best_score=0.5, best_epoch=2))
    values["best_top1"] = values.pop("best_score")
    assert Position.from_dict(values).best_score == 0.5


def test_a_checkpoint_of_before_right_samples_were_counted():
    """In the middle of an epoch nothing is said of it; from the next on it counts."""
    values = asdict(Position(batch=1, images=8, loss_sum=3.0))
    del values["right"]
    position = Position.from_dict(values)
    position.count(8, loss=1.0, right=5)
    assert (position.images, position.right) == (16, None)
    position.begin_epoch()
    position.count(8, loss=1.0, right=5)
    assert position.right == 5


def test_the_averages_score_is_logged(tune, fake_wing, monkeypatch):
    monkeypatch.setattr(fake_wing, "averaged", lambda self: nullcontext(), raising=False)
    assert {"ema_loss", "ema_mAP"} <= epochs_of(tune(ema=0.5, epochs=1))[0].keys()


# ---- recipes


@needs_torch
@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
def test_a_softmax_loss_is_refused_before_a_framework_loads(loss, write_sets, tmp_path):
    code = (
        "import sys; from ft.cli import main; status = main(); "
        "assert not {'torch', 'tensorflow', 'keras'} & sys.modules.keys(); sys.exit(status)"
    )
    arguments = ["train", "--data", str(write_sets()), "--loss", loss, "--model", "resnet18", "--weights", "none"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 2, ran.stderr
    [line] = ran.stderr.splitlines()
    assert "labels.csv line 2: blank label" in line
    assert "--loss bce" in line
    assert not (tmp_path / "runs").exists()


def test_single_labels_with_bce_stay_one_hot(fake_wing, write_images, tmp_path):
    recipe = ft.Recipe(model="resnet18", weights="none", data=str(write_images()), loss="bce")
    job = prepare_job(recipe, quiet=True)
    (batch, *_) = job.batches("train").epoch(0)
    assert (job.task.name, [*batch.targets]) == ("single-label", ["labels"])


def test_balanced_class_weights_count_every_label(tune, write_images, tmp_path):
    recipe = ft.Recipe(**{k: v for k, v in NET.items() if k != "quiet"}, data=str(tmp_path / "sets/labels.csv"))
    job = prepare_job(recipe.replace(class_weights="balanced"), quiet=True)
    train = job.batches("train")
    counts = train.targets_at(0, np.arange(len(train.samples)))["shares"].sum(0)
    np.testing.assert_allclose(
        weigh_classes(job.recipe, job.task, job.dataset), counts.sum() / (3 * counts), rtol=1e-15
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"mixup": 0.3, "cutmix": 1.0, "label_smoothing": 0.1},
        {"sampling": "balanced", "loss": "bce-focal"},
        {"class_weights": "balanced", "schedule": "plateau", "plateau_patience": 0},
        {"class_weights": "1,2,0.5", "accumulate": 2},
    ],
    ids=str,
)
def test_the_rest_of_a_recipe(fields, tune):
    assert np.isfinite(tune(epochs=2, **fields).metrics["loss"])


def test_one_class_that_is_there_or_not(fake_wing, write_sets, tmp_path):
    lines = write_sets().read_text().splitlines()
    lines = [line.replace("green", "").replace("blue", "").replace("|", "") for line in lines]
    (tmp_path / "sets/red.csv").write_text("\n".join(lines) + "\n")
    run = ft.finetune(**NET, data=str(tmp_path / "sets/red.csv"), out=tmp_path / "run")
    assert run.classes == ("red",)
    assert run.metrics["mAP"] == 1


# ---- two runs, and one that goes on


def test_side_by_side(tune):
    a, b = tune("a"), tune("b", lr=0.002)
    same, other = compare_runs(a.folder, a.folder), compare_runs(a.folder, b.folder)
    assert (same.score, same.equal_predictions, same.largest_loss_difference) == ("mAP", 1, 0)
    assert same.epochs[-1].score_a == epochs_of(a)[-1]["mAP"]
    assert "mAP A" in render(same)
    sets = [{p.name: p.predicted for p in read_label_sets(run.folder)} for run in (a, b)]
    equal = [sets[1][name] == predicted for name, predicted in sets[0].items()]
    assert 0 < other.equal_predictions == np.mean(equal) < 1
    result = json.loads((b.folder / "model.json").read_text())
    (b.folder / "model.json").write_text(json.dumps({**result, "task": "single-label"}))
    with pytest.raises(RunError, match="the runs differ in their tasks"):
        compare_runs(a.folder, b.folder)


def test_a_resumed_run_ends_as_if_it_had_not_stopped(tune, tmp_path):
    fields = {"mixup": 0.3, "sampling": "balanced", "result": "best"}
    whole = tune("whole", epochs=4, **fields)
    tune("parts", epochs=2, **fields)
    run = ft.finetune(resume=tmp_path / "parts", epochs=4, quiet=True)
    for name in ("predictions.csv", "model.safetensors"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    with pytest.raises(RecipeError, match=r"takes one label each, the run was trained on any number.*--loss bce"):
        ft.finetune(resume=run.folder, epochs=5, loss="focal", quiet=True)


def test_a_resumed_run_stays_multilabel_whatever_the_data(tune, tmp_path):
    tune(epochs=1)
    lines = (tmp_path / "sets/labels.csv").read_text().splitlines()
    kept = [line.partition("|")[0].rstrip() + "red" * line.endswith(",") for line in lines]
    (tmp_path / "sets/labels.csv").write_text("\n".join(kept) + "\n")
    run = ft.finetune(resume=tmp_path / "run", epochs=2, allow_data_change=True, quiet=True)
    assert run.task is MULTI


def test_a_single_label_run_refuses_sets(fake_wing, write_images, write_sets, tmp_path):
    run = ft.finetune(**{**NET, "epochs": 1}, data=str(write_images()), out=tmp_path / "run")
    with pytest.raises(DataError, match="line 2: blank label"):
        run.evaluate(str(write_sets()))
