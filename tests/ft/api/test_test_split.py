"""Test images: no training sees them, and they are measured once, when all is chosen."""

import json

import numpy as np
import pytest

import ft
from ft.api.run import Run
from ft.cli import dispatch as cli
from ft.runs.folder import read_log
from ft.runs.predictions import read_predictions

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "quiet": True}
NET |= {"epochs": 3, "lr": 0.5, "precision": "float64", "cache": "memory"}


@pytest.fixture
def data(write_images):
    """Write a CSV of 8 training, 4 validation and 4 test images of two classes."""
    root, splits = write_images(), ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    lines = [f"{label}/{i}.png,{label},{split}" for label in ("cat", "dog") for i, split in enumerate(splits)]
    (root / "list.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    return root / "list.csv"


def test_test_rows_are_measured_once_at_the_end(data, fake_wing, tmp_path):
    run = ft.finetune(data=str(data), out=tmp_path / "run", **NET)
    assert run.result["data"]["val"] == len(read_predictions(run.folder)) == 4
    assert run.result["data"]["test"] == 4
    rows = [row for row in read_log(run.folder) if row.get("epoch_end")]
    assert rows[-1]["val_loss"] == run.metrics["loss"]

    lines = data.read_text().splitlines()
    (data.parent / "test.csv").write_text("\n".join(["path,label", *(x[:-5] for x in lines if x.endswith(",test"))]))
    tested = Run(run.folder).evaluate(str(data.parent / "test.csv"))
    assert run.metrics["test"] == tested
    assert tested["loss"] != run.metrics["loss"]
    assert json.loads((run.folder / "model.json").read_text())["metrics"]["test"] == tested

    other = data.parent / "without.csv"
    other.write_text("\n".join(line for line in lines if not line.endswith(",test")))
    without = ft.finetune(data=str(other), out=tmp_path / "without", **NET)
    for name, tensor in without.learner.get_weights().items():
        np.testing.assert_array_equal(tensor, run.learner.get_weights()[name])
    assert without.metrics == {name: value for name, value in run.metrics.items() if name != "test"}
    assert run.result["data"] == {**without.result["data"], "test": 4, "path": str(data)}


def test_the_command_and_the_report_name_them(data, fake_wing, tmp_path, monkeypatch, capsys):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in NET.items() if name != "quiet"]
    monkeypatch.setattr("sys.argv", ["ft", "train", "--data", str(data), "--out", str(tmp_path / "run"), *flags])
    assert cli.main() == 0
    said = capsys.readouterr()
    assert "8 training, 4 validation and 4 test images" in said.err
    assert said.out.splitlines()[-1].startswith("test: top1 ")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "4 test images that nothing was chosen by" in page
    assert "<dt>test top-1</dt>" in page
    assert "test top-1" in repr(Run(tmp_path / "run")._repr_html_())
