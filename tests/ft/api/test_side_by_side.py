"""Two runs side by side: the right figures, and a refusal of runs that cannot be compared."""

import json
import math
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import ft
from ft.api import side_by_side
from ft.api.side_by_side import compare_runs, render
from ft.cli.dispatch import dispatch
from ft.errors import RecipeError, RunError
from ft.runs import folder as runfolder
from ft.runs.predictions import write_predictions
from ft.system import files
from ft.weights.safetensors_file import write_safetensors

CLASSES = ["cat", "dog", "eel"]
LOSSES = ((1.0, 0.9), (0.5, 0.6), (0.25, None))
WEIGHTS = {
    "fc.weight": np.arange(6.0).reshape(2, 3),
    "fc.bias": np.zeros(2),
    "fcx.weight": np.zeros(1),
    "base": np.zeros(1),
}


def make(
    folder,
    *,
    losses=LOSSES,
    names="abcd",
    labels=(0, 1, 2, 0),
    predicted=(0, 1, 2, 0),
    classes=CLASSES,
    head="fc",
    weights=WEIGHTS,
):
    folder.mkdir(parents=True)
    with runfolder.Log(folder) as log:
        for epoch, (loss, val_loss) in enumerate(losses, start=1):
            log.write({"step": epoch * 2 - 1, "epoch": epoch, "loss": 7.0})
            log.write(
                {"epoch_end": True, "epoch": epoch, "step": epoch * 2, "loss": loss, "val_loss": val_loss, "top1": 0.5}
            )
    write_predictions(folder, names, labels, predicted, [0.5] * len(names), classes)
    files.write_json(folder / "model.json", {"format": 1, "classes": classes, "head": head})
    write_safetensors(folder / "model.safetensors", weights, {})
    return folder


@pytest.fixture
def a(tmp_path):
    return make(tmp_path / "net-torch-001")


def test_a_run_equals_itself(a):
    result = compare_runs(a, a)
    assert result.largest_loss_difference == 0
    assert result.largest_head_difference == 0
    assert (result.compared_images, result.equal_predictions) == (4, 1.0)
    assert [(row.epoch, row.loss_a, row.val_loss_b, row.score_a) for row in result.epochs] == [
        (1, 1.0, 0.9, 0.5),
        (2, 0.5, 0.6, 0.5),
        (3, 0.25, None, 0.5),
    ]


def test_every_difference_is_found(a, tmp_path):
    weights = {**WEIGHTS, "fc.bias": np.array([0, -0.125]), "fcx.weight": np.ones(1), "base": np.ones(1)}
    b = make(
        tmp_path / "net-tf-001",
        losses=((1.0, 0.9), (0.5, 0.63), (0.24, None)),
        names="dcba",
        labels=(0, 2, 1, 0),
        predicted=(0, 2, 2, 0),
        weights=weights,
    )
    result = compare_runs(a, b)
    assert result.names == ("net-torch-001", "net-tf-001")
    assert result.largest_loss_difference == pytest.approx(0.03)
    assert result.equal_predictions == 0.75  # paired by name: the order of the files does not matter
    assert result.largest_head_difference == 0.125  # fcx and base are not the head
    assert (result.epochs[1].val_loss_a, result.epochs[1].val_loss_b) == (0.6, 0.63)
    swapped = compare_runs(b, a)
    assert (swapped.largest_loss_difference, swapped.equal_predictions, swapped.largest_head_difference) == (
        result.largest_loss_difference,
        result.equal_predictions,
        result.largest_head_difference,
    )


def test_nan_in_one_run_only_is_infinitely_far(a, tmp_path):
    b = make(
        tmp_path / "b",
        losses=((1.0, 0.9), (None, 0.6), (0.25, None)),
        weights={**WEIGHTS, "fc.bias": np.array([0, np.nan])},
    )
    result = compare_runs(a, b)
    assert result.largest_loss_difference == math.inf
    assert result.largest_head_difference == math.inf
    assert compare_runs(b, b).largest_head_difference == 0
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["largest_loss_difference"] is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classes": ["cat", "dog", "owl"]}, "classes: .*'eel' against 'owl'"),
        ({"head": "classifier"}, r"no tensor of the head \(classifier\)"),
        ({"head": None}, r"no tensor of the head \(model.json names none\)"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(a, tmp_path, changes, named):
    b = make(tmp_path / "b", **changes)
    with pytest.raises(RunError, match=named) as error:
        compare_runs(a, b)
    assert "\n" not in str(error.value)


def test_runs_of_other_lengths_recipes_and_images_stand_side_by_side(a, tmp_path):
    b = make(
        tmp_path / "b",
        losses=((1.0, 0.9), (0.5, 0.7)),
        names="abce",
        labels=(0, 1, 1, 0),
        predicted=(0, 2, 1, 0),
        weights={**WEIGHTS, "fc.bias": np.zeros(3)},
    )
    for run, recipe in ((a, {"lr": 0.1, "epochs": 3}), (b, {"lr": 0.2, "epochs": 2, "device": "cpu"})):
        files.write_json(run / "model.json", {**json.loads((run / "model.json").read_text()), "recipe": recipe})
    result = compare_runs(a, b)
    assert [(each.field, each.a, each.b) for each in result.recipes] == [("epochs", 3, 2), ("lr", 0.1, 0.2)]
    assert [(row.epoch, row.loss_a, row.loss_b) for row in result.epochs] == [(1, 1, 1), (2, 0.5, 0.5), (3, 0.25, None)]
    assert result.largest_loss_difference == pytest.approx(0.1)  # the third epoch is one run's own
    assert (result.compared_images, result.equal_predictions) == (2, 0.5)  # c is labelled anew, d and e are in one only
    assert result.largest_head_difference is None
    text = render(result)
    assert text.index("recipes differ in") < text.index("loss A")
    for words in (
        "0.1, over the 2 of 3 epochs",
        "1 of 2 (50.00 %); of one run only: 2 of A, 2 of B",
        "not of the",
    ):
        assert words in text


def test_the_head_may_have_several_prefixes(a, tmp_path):
    b = make(
        tmp_path / "b",
        head=["fc.bias", "fcx."],
        weights={**WEIGHTS, "fc.weight": np.ones((2, 3)), "fcx.weight": np.ones(1)},
    )
    assert compare_runs(b, b).largest_head_difference == 0
    assert set(side_by_side.head_tensors(b, {"head": ["fc.bias", "fcx."]})) == {"fc.bias", "fcx.weight"}


def test_two_runs_of_one_name_show_their_paths(a, tmp_path):
    b = make(tmp_path / "other" / a.name)
    assert compare_runs(a, b).names == (str(a), str(b))


def test_the_table_is_complete_and_fits(a, tmp_path):
    b = make(tmp_path / ("net-tf-" + "long-" * 30), losses=((1.0, 0.9), (0.5, 0.63), (12345.678, None)))
    text = render(compare_runs(a, b))
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert "\x1b" not in text
    assert any(
        line.split() == ["2", "0.500000", "0.500000", "0.600000", "0.630000", "0.5000", "0.5000"] for line in lines
    )
    assert any(line.split() == ["3", "0.250000", "12345.678000", "-", "-", "0.5000", "0.5000"] for line in lines)
    assert lines[-2:] == ["equal predictions        4 of 4 (100.00 %)", "largest head difference  0"]
    assert lines[-3] == "largest loss difference  1.23e+04"


def command(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    environment.pop("PYTHONUNBUFFERED", None)  # users' streams have a buffer, which is written at exit
    return subprocess.run([sys.executable, "-m", "ft", "compare", *arguments], env=environment, **options)


def test_the_command(a, tmp_path):
    ran = command(a, a, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == render(compare_runs(a, a))
    ran = command(a, tmp_path / "none", capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert (
        ran.stderr == f"error: {tmp_path / 'none'} is not the folder of a run (no model.json); "
        "pass one like runs/NAME-torch-001\n"
    )


def test_page_and_junit_tell_the_same_and_other_flags_are_refused(a, tmp_path):
    b = make(tmp_path / "<b>", losses=LOSSES[:2])
    kept = tmp_path / "kept"
    assert dispatch(["compare", str(a), str(b), "--out", str(kept), "--junit", str(tmp_path / "x.xml")]) == 0
    page = (kept / "report.html").read_text()
    assert "&lt;b&gt;" in page
    assert "over the 2 of 3 epochs" in page
    assert (tmp_path / "x.xml").read_text() == (kept / "junit.xml").read_text()
    suite = ET.parse(kept / "junit.xml").find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "0", "0")
    assert json.loads((kept / "verdict.json").read_text()) == compare_runs(a, b).to_dict()
    for flag in (["--dtype", "float64"], ["--steps", "0"], ["--lr", "0.1"], ["--accept", "x@y"], ["--noise"]):
        with pytest.raises(RecipeError, match=f"{flag[0]} cannot be had with two finished runs"):
            dispatch(["compare", str(a), str(b), *flag])


def test_sensitivity_trains_one_run_again_from_weights_moved_by_one_ulp(fake_wing, write_images, tmp_path, capsys):
    net = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "epochs": 2}
    net |= {"data": str(write_images()), "precision": "float64", "quiet": True}
    runs = {name: ft.finetune(**net, lr=lr, out=tmp_path / name) for name, lr in (("a", 0.5), ("b", 0.5), ("c", 0.6))}
    a, b, c = (str(run.folder) for run in runs.values())
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    assert dispatch(["compare", a, b, "--sensitivity", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["largest_head_difference"] == 0 < said["one_ulp"]["largest_head_difference"] < 1e-12
    assert dispatch(["compare", a, b, "--sensitivity", "--html", str(tmp_path / "x.html")]) == 0
    assert "A and B are not further apart than 10 times that" in " ".join(capsys.readouterr().out.split())
    assert "by one ulp" in (tmp_path / "x.html").read_text()
    assert {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()} == before
    with pytest.raises(RunError, match=r"the recipes of .* differ \(lr\), which is no matter of rounding"):
        dispatch(["compare", a, c, "--sensitivity"])


def test_the_command_survives_a_narrow_and_a_broken_stdout(a):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "ascii"}
    plain = subprocess.run([sys.executable, "-m", "ft", "compare", a, a], env=environment, capture_output=True)
    assert plain.returncode == 0
    assert b"largest head difference  0" in plain.stdout
    reader, writer = os.pipe()
    os.close(reader)
    assert command(a, a, stdout=writer).returncode == 0
    os.close(writer)
