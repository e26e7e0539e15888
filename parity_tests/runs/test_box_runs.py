"""Runs on boxes: both wings learn and find the same, either opens the other's, and the files are COCO's."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import ft
from ft.api.export import FORMATS
from ft.api.export_check import with_points
from ft.api.side_by_side import compare_runs
from ft.cli.predict import predict
from ft.noise import generator
from ft.parity.detections import apart
from ft.tasks.box_rows import read_boxes
from ft_torch.layers import native, native_onestage
from parity_tests.runs.test_export import infer
from parity_tests.support.pairs import TRAJECTORY, boxes_csv

MODELS = ["fasterrcnn_mobilenet_v2_fpn", pytest.param("ssdlite320_mobilenet_v2", marks=pytest.mark.slow)]
NEAR_TIES = 0.05  # of detections that float32 orders otherwise, where a network has hardly learnt to tell them apart
RECIPE = {
    "weights": "none", "precision": "float64", "image_size": 64,
    "batch_size": 4, "lr": 1e-3, "epochs": 2, "workers": 0, "quiet": True, "schedule": "constant", "warmup_epochs": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """12 images as a CSV of boxes."""
    return boxes_csv(tmp_path_factory.mktemp("squares"), count=12)


@pytest.fixture(scope="module", params=MODELS)
def recipe(request):
    return {**RECIPE, "model": request.param}


@pytest.fixture(scope="module")
def runs(recipe, data, tmp_path_factory):
    """The head trained on kept features in each wing."""
    root = tmp_path_factory.mktemp("runs")
    return {wing: ft.finetune(**recipe, data=data, backend=wing, out=root / wing) for wing in ("torch", "tf")}


def known(metrics):
    """Return the figures of which there are boxes."""
    return {name: value for name, value in metrics.items() if value is not None and np.isfinite(value)}


def exported(run, format, folder, say, alone=0.0):
    """Return what a run's file finds, by what its record says: what the run finds in the wing that did not write it.

    alone: the share of detections that may have no partner in float32.
    """
    kind = FORMATS[format]
    done = ft.export_run(run.folder, format=format, pixels="raw", out=folder / f"x{kind.ending}")
    check, gives = done.record["check"], done.record["output"]
    bar, alone = (1e-12, 0.0) if kind.float64 else (1e-5, alone)
    assert check["images"] == "3 of its validation images"
    assert check["alone"] <= alone * check["detections"]
    assert check["difference"] < bar
    raw = generator(1, "exported").integers(0, 256, (3, 64, 64, 3), np.uint8)
    raw[:, 8:40, 8:40, 0] = 250
    other = ft.Run(run.folder, backend={"torch": "tf", "tf": "torch"}[kind.wing])
    expected = other.learner.outputs(other.preprocess.normalise(raw, "float64"))
    found = infer(done.path, format, raw)
    about = {name: {"dtype": str(x.dtype), "shape": ["batch", *x.shape[1:]]} for name, x in found.items()}
    assert about == gives["arrays"]
    away = apart(with_points(found), expected, bar=bar, side=64)
    say(f"{run.task.name} as {format}: {away.largest:.1e}, {away.alone} of {away.count} detections alone")
    assert away.alone <= alone * away.count
    assert away.count > 0
    return {name: found[name] for name in gives["names"]}


def test_both_wings_learn_and_find_the_same(runs, say):
    torch, tf = runs.values()
    assert known(torch.metrics) == pytest.approx(known(tf.metrics), rel=1e-10)
    found = compare_runs(torch.folder, tf.folder)
    assert found.equal_predictions == 1
    assert found.largest_loss_difference <= TRAJECTORY
    assert found.largest_head_difference <= TRAJECTORY
    for ours, theirs in zip(*(read_boxes(run.folder) for run in runs.values()), strict=True):
        np.testing.assert_allclose(ours.found.corners, theirs.found.corners, atol=1e-8)
        assert ours.found.classes.tolist() == theirs.found.classes.tolist()
    say(f"runs of boxes: loss {found.largest_loss_difference:.1e}, head {found.largest_head_difference:.1e}")


def test_either_wing_evaluates_and_asks_the_others_run(runs, data, tmp_path):
    opened, own = ft.Run(runs["torch"].folder, backend="tf"), read_boxes(runs["torch"].folder)
    assert known(opened.evaluate(out=tmp_path / "said")) == pytest.approx(known(runs["torch"].metrics), rel=1e-10)
    for ours, theirs in zip(own, read_boxes(tmp_path / "said"), strict=True):
        assert (ours.name, ours.truth.classes.tolist()) == (theirs.name, theirs.truth.classes.tolist())
        np.testing.assert_allclose(theirs.found.corners, ours.found.corners, atol=1e-8)
    image = data.replace("boxes.csv", "004.png")
    ours, theirs = (run.boxes(image, score=0.0) for run in (runs["torch"], opened))
    assert [box.label for box in ours] == [box.label for box in theirs]
    assert ours
    for a, b in zip(ours, theirs, strict=True):
        assert (a.score, a.x1, a.y2) == pytest.approx((b.score, b.x1, b.y2), abs=1e-8)
        assert 0 <= a.x1 < a.x2 <= 64
        assert 0 <= a.y1 < a.y2 <= 56


def test_the_command_draws_and_writes_cocos_results(runs, data, tmp_path, capsys):
    root = data.replace("/boxes.csv", "")
    words = [str(runs["torch"].folder), root, "--overlays", str(tmp_path / "drawn"), "--json", "--score", "0"]
    assert predict([*words, "--boxes", str(tmp_path / "found.json")]) == 0
    rows = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "found.json").read_text())
    assert len(rows) == len(list((tmp_path / "drawn").glob("*.jpg"))) == 12
    assert Image.open(tmp_path / "drawn" / "003.jpg").size == (64, 56)
    assert sum(len(row["boxes"]) for row in rows) == len(written)
    first = next(row for row in written if row["file_name"].endswith("003.png"))
    ours = next(row for row in rows if row["image"].endswith("003.png"))["boxes"][0]
    assert (first["image_id"], first["category"]) == (3, ours["label"])
    assert first["bbox"] == [ours["x1"], ours["y1"], ours["x2"] - ours["x1"], ours["y2"] - ours["y1"]]


def test_what_a_run_does_not_give_is_refused(recipe, runs, data, tmp_path):
    with pytest.raises(ft.RecipeError, match=r"masks: .* is a detection run, whose network gives none"):
        predict([str(runs["torch"].folder), data, "--masks", str(tmp_path)])
    with pytest.raises(ft.RecipeError, match="score: got 2; expected a number from 0 to 1"):
        predict([str(runs["torch"].folder), data, "--score", "2"])
    with pytest.raises(ft.RecipeError, match="whose network gives no masks"):
        runs["torch"].masks(data)
    with pytest.raises(ft.RecipeError, match="mixup: not for detection"):
        ft.finetune(**recipe, data=data, backend="torch", mixup=0.2, out=tmp_path / "run")


def test_a_run_goes_on_in_the_other_wing(recipe, runs, data, tmp_path, say):
    half = ft.finetune(**{**recipe, "epochs": 1}, data=data, backend="torch", out=tmp_path / "parts")
    run = ft.finetune(resume=half.folder, epochs=2, backend="tf", quiet=True)
    found = compare_runs(runs["torch"].folder, run.folder)
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    say(f"boxes, begun in torch, resumed in tf: head {found.largest_head_difference:.1e}")


@pytest.mark.parametrize(
    "format", [pytest.param(f, marks=[pytest.mark.slow] if f in ("onnx", "litert") else []) for f in FORMATS]
)
def test_an_exported_file_finds_what_the_other_wing_finds(format, runs, tmp_path, say):
    found = exported(runs["torch"], format, tmp_path, say)
    assert list(found) == ["boxes", "scores", "classes"]


@pytest.mark.slow
def test_a_file_that_decides_otherwise_is_refused_and_leaves_nothing(runs, tmp_path, monkeypatch):
    clip = native.clip
    for home in (native, native_onestage):
        monkeypatch.setattr(home, "clip", lambda boxes, image: clip(boxes + 0.01, image))
    with pytest.raises(ft.RunError, match=r"was not kept: \d+ of \d+ detections on 3 of its validation images are its"):
        ft.export_run(runs["torch"].folder, format="torch-export", out=tmp_path / "x.pt2")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["retinanet_mobilenet_v2_fpn", "fcos_mobilenet_v2_fpn"])
def test_networks_of_one_stage_learn_the_same(data, tmp_path, say, model):
    """In PyTorch, and in Keras from PyTorch's first epoch on, in parts of two pictures."""
    recipe = {**RECIPE, "model": model, "lr": 0.01, "batch_size": 2, "accumulate": 2}
    whole = ft.finetune(**recipe, data=data, backend="torch", out=tmp_path / "whole")
    half = ft.finetune(**{**recipe, "epochs": 1}, data=data, backend="torch", out=tmp_path / "half")
    other = ft.finetune(resume=half.folder, epochs=2, backend="tf", quiet=True)
    found = compare_runs(whole.folder, other.folder)
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    say(f"{model}: loss {found.largest_loss_difference:.1e}, head {found.largest_head_difference:.1e}")
