"""Whole runs of what text networks learn beside classes: both wings, predictions, the page, a run in the other wing."""

import json

import pytest

import ft
from ft.api.side_by_side import compare_runs
from ft.data.sources.dataset import Source
from ft.tasks.language_model import LANGUAGE_MODEL
from ft.tasks.regression import REGRESSION
from ft.tasks.token_classification import TAGGING
from ft.training import texts
from parity_tests.support.text_tasks import TAGS, dataset, tokenizer
from parity_tests.support.texts import small_card

RUNS = {
    "regression": (REGRESSION, "bert", {"task": "regression", "freeze": "base"}, "Where it errs most"),
    "tags": (TAGGING, "bert", {"freeze": "embeddings"}, "entities"),
    "tags on a frozen base": (TAGGING, "bert", {"freeze": "base"}, "entities"),
    "lm": (LANGUAGE_MODEL, "gpt2", {"freeze": "none"}, "Which texts are the hardest"),
}
RECIPE = {"weights": "none", "precision": "float64", "max_length": 12, "batch_size": 4, "epochs": 2, "quiet": True}


def network(folder, architecture):
    """Write a folder as transformers does, of a small network without weights."""
    config = small_card(architecture).config
    kind = {"model_type": architecture, **config.as_json()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(kind))
    (folder / "tokenizer.json").write_text(tokenizer().rust.to_str())
    return str(folder)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_both_wings(name, tmp_path, monkeypatch, eager):
    task, architecture, fields, words = RUNS[name]
    monkeypatch.setattr(texts, "read_texts", lambda spec, **_: Source(*[lambda: dataset(task, TAGS)] * 2))
    data = tmp_path / "texts.csv"
    data.write_text("")
    fields = {**RECIPE, **fields, "model": network(tmp_path / "network", architecture), "data": str(data)}
    runs = [ft.finetune(**fields, backend=wing, out=tmp_path / wing) for wing in ("torch", "tf")]
    assert [run.task for run in runs] == [task, task]
    assert runs[0].metrics == pytest.approx(runs[1].metrics, rel=1e-9)
    apart = compare_runs(*(run.folder for run in runs))
    assert apart.equal_predictions == 1
    assert apart.largest_loss_difference <= 1e-9
    assert ft.Run(runs[0].folder, backend="tf").evaluate(quiet=True) == pytest.approx(runs[0].metrics, rel=1e-9)
    assert words in (runs[0].folder / "report.html").read_text()
