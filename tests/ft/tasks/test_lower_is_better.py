"""A task that the house has never heard of, whose score is better the lower it is: only the task says what it is."""

import json
from types import SimpleNamespace
from typing import final

import numpy as np
import pytest

import ft
from ft.api.side_by_side import compare_runs, render
from ft.metrics.accuracy import softmax
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.tasks import TASKS
from ft.tasks.classification import ClassTable
from ft.tasks.objective import objective_of
from ft.tasks.sections import Page
from ft.tasks.task import Measure, Meter, Score, Task


@final
class ErrorMeter(Meter):
    """The mean distance of the probabilities to 0 or 1."""

    def __init__(self):
        self.errors = []

    @property
    def count(self):
        return len(self.errors)

    def update(self, outputs, targets):
        p = softmax(outputs["logits"])
        self.errors += np.abs(p - np.eye(p.shape[1])[targets["labels"]]).mean(1).tolist()

    def merge(self, other):
        self.errors += other.errors

    def result(self):
        mean = float(np.mean(self.errors))
        return {"mae": mean, "loss": mean**2}

    def by_class(self):
        return {}


@final
class Distance(Task):
    """How far from the truth it is."""

    name, labels = "distance", "one"
    score = Score("mae", "lower", word="mean distance", heading="Distance", axis="distance in m", page="Distance (m)")
    logged = (Measure("mae", "distance", ".2f"),)
    measures = (*logged, Measure("loss", "loss", ".4f"))
    share = None
    loss = loss_axis = "squared distance"
    predictions = ClassTable

    def objective(self, recipe, class_weights):
        return objective_of(recipe, class_weights)

    def targets(self, labels, *, classes, dtype):
        return {"labels": np.array(labels, np.int64)}

    def meter(self, classes):
        return ErrorMeter()

    def guesses(self, outputs, targets, top):
        return [[] for _ in outputs["logits"]]

    def guess_columns(self, top):
        return []

    def guess_cells(self, guesses, top):
        return []

    def page(self, folder, result):
        return Page(())


@pytest.fixture
def tune(fake_wing, write_images, tmp_path, monkeypatch):
    """Fine-tune on 12 images of two classes into tmp_path/OUT, for the distance."""
    data = str(write_images())
    monkeypatch.setitem(TASKS, "distance", Distance())
    monkeypatch.setattr("ft.training.job.task_for", lambda card, dataset: TASKS["distance"])
    fixed = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "data": data}
    return lambda out="run", **fields: ft.finetune(**{**fixed, "lr": 0.5, "out": tmp_path / out, **fields})


@pytest.fixture
def errors(monkeypatch):
    """Let the epochs have these errors."""
    from ft.training import loop as train

    def of(*values):
        left = list(values)
        monkeypatch.setattr(
            train, "evaluate", lambda *_, **__: SimpleNamespace(result=lambda: {"mae": left.pop(0), "loss": 1})
        )

    return of


def test_the_lowest_is_the_best(tune, errors):
    errors(0.5, 0.2, 0.4, 0.3)
    run = tune(epochs=4, result="best")
    assert run.result["epoch"] == 2
    assert checkpoint.load(checkpoint.pointed(run.folder, "last")).state["position"]["best_score"] == 0.2
    errors(0.5, 0.2, 0.4)
    assert read_log(tune("stopped", epochs=9, patience=1).folder)[-1]["epoch"] == 3


def test_the_lowest_are_averaged_and_a_resumed_run_remembers(tune, errors, tmp_path):
    errors(np.nan, 1.5, 3.0, 1.2)
    tune(epochs=3, result="average", average_best=2)
    saved = checkpoint.load(checkpoint.pointed(tmp_path / "run", "last")).state["position"]
    assert (saved["best_score"], [row[1] for row in saved["ranked"]]) == (1.5, [2, 3])
    assert ft.finetune(resume=tmp_path / "run", epochs=4).result["averaged_epochs"] == [2, 4]


def test_a_score_that_is_no_number_is_resumed(tune, errors, tmp_path):
    """It is null in the checkpoint, and ranks last."""
    errors(np.nan, 1.5)
    tune(epochs=1, result="average", average_best=2)
    assert ft.finetune(resume=tmp_path / "run", epochs=2).result["averaged_epochs"] == [1, 2]


def test_all_that_is_read_says_what_the_task_says(tune, capsys):
    run = tune(epochs=2)
    printed = capsys.readouterr().err
    rows = [row for row in read_log(run.folder) if row.get("epoch_end")]
    assert rows[0]["mae"] > rows[1]["mae"] == run.metrics["mae"]
    assert f"mae {run.metrics['mae']:.3f}" in printed
    assert f"distance: {run.metrics['mae']:.2f}, " in repr(run)
    page = (run.folder / "report.html").read_text()
    train = run.result["train_metrics"]["mae"]
    for words in (
        "<h3>Distance (m)</h3>",
        f"<title>epoch 2: validation mean distance {run.metrics['mae']:.4g}</title>",  # as it is, not in percent
        f"a mean distance of {train:.4g} on 4 training images and of {run.metrics['mae']:.4g} on 4 validation images",
        "is plain squared distance",
    ):
        assert words in page
    for words in ("top-1", "ccuracy", "Which classes", "taken for"):
        assert words not in page.replace("top1", "")
    assert not (run.folder / "confusion.png").exists()
    opened = ft.Run(run.folder)
    assert opened.evaluate() == pytest.approx(run.metrics)
    assert opened.write_report().read_text() == page
    assert json.loads((run.folder / "model.json").read_text())["task"] == "distance"
    assert "mae A" in render(compare_runs(run.folder, run.folder))
