"""Runs on pictures that keep their shape: both wings learn and find the same, and either goes on with the other's."""

import json

import pytest

import ft
from ft.api.side_by_side import compare_runs
from ft.parity.tracing import trace_recipe
from ft.recipe import Recipe
from ft.tasks.box_rows import read_boxes
from parity_tests.runs.test_box_runs import RECIPE, known
from parity_tests.support.pairs import TRAJECTORY, boxes_csv

SIDES = (56, 64), (90, 60), (64, 64), (56, 120), (80, 56)
SIZED = {**RECIPE, "model": "fasterrcnn_mobilenet_v2_fpn", "image_size": 48, "max_size": 80, "group_by_aspect": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return boxes_csv(tmp_path_factory.mktemp("shapes"), count=12, sides=SIDES)


def test_both_wings_learn_and_find_the_same(data, tmp_path, say):
    """In PyTorch, and in Keras from PyTorch's first epoch on."""
    recipe = {**SIZED, "augment": "crop-flip", "data": data}
    run = ft.finetune(**recipe, backend="torch", out=tmp_path / "whole")
    half = ft.finetune(**{**recipe, "epochs": 1}, backend="torch", out=tmp_path / "half")
    other = ft.finetune(resume=half.folder, epochs=2, backend="tf", quiet=True)
    assert known(run.metrics) == pytest.approx(known(other.metrics), rel=1e-10)
    found = compare_runs(run.folder, other.folder)
    assert found.equal_predictions == 1
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    say(f"pictures of different sizes: loss {found.largest_loss_difference:.1e}")
    assert json.loads((run.folder / "model.json").read_text())["preprocess"]["longest"] == 80
    assert {row.size for row in read_boxes(run.folder)} == {SIDES[0], SIDES[3], SIDES[4]}
    boxes = ft.Run(run.folder, backend="tf").boxes(data.replace("boxes.csv", "003.png"), score=0.0)
    assert boxes
    assert all(0 <= box.x1 < box.x2 <= 120 and 0 <= box.y1 < box.y2 <= 56 for box in boxes)


def test_a_trace_holds_the_sizes(data, tmp_path):
    recipe = Recipe(**{name: value for name, value in SIZED.items() if name != "quiet"}, data=data)
    trace = trace_recipe(recipe, tmp_path / "trace", backend="torch", steps=1)
    arrays = trace.arrays(0, "batch")
    assert arrays["sizes"].shape == (4, 2)
    assert (arrays["sizes"].max(0) <= arrays["images"].shape[1:3]).all()
