"""Detections in the pictures' own pixels; a run's files are COCO's; what the page says; what a recipe may not ask."""

import contextlib
import io
import json
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ft.data import Sampling, open_boxes
from ft.errors import RecipeError, RunError
from ft.network.boxes.pasting import paste
from ft.recipe import Recipe, to_dict
from ft.report.boxes import drawn
from ft.report.training.page import render_training
from ft.tasks.box_rows import read_box_rows, read_boxes
from ft.tasks.box_task import found_in
from ft.tasks.detection import DETECTION
from ft.tasks.sections import ByClass, Curves, Table, WorstBoxes
from ft.training.job import prepare_job
from tests.ft.data.test_box_view import PREPROCESS


@pytest.fixture(scope="module")
def data():
    return open_boxes("scenes")


@pytest.fixture(scope="module")
def judged(data, tmp_path_factory):
    """Return a meter and a folder of what shifted boxes of the validation pictures are worth."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("run")
    meter, table = DETECTION.meter(data.classes), DETECTION.predictions()
    for batch in batches(data).epoch(0):
        outputs = said(batch, rng)
        meter.update(outputs, batch.targets)
        table.update(outputs, batch.targets)
    table.write(folder, [sample.name for sample in data.val], data.classes)
    return meter, folder


def batches(data):
    teach = DETECTION.teach(classes=3, dtype="float32")
    return DETECTION.batches()(data.val, PREPROCESS, Sampling(8), teach=teach)


def said(batch, rng):
    """Return a network's answer: each box a little beside its place, some with another class, scores of any height."""
    boxes, labels = batch.targets["boxes"], batch.targets["box_labels"]
    moved = (boxes + rng.normal(0, 4, boxes.shape)).astype(np.float32)
    moved[..., 2:] = np.maximum(moved[..., 2:], moved[..., :2] + 1)
    other = np.where((rng.random(labels.shape) < 0.2) & (labels >= 0), rng.integers(0, 3, labels.shape), labels)
    return {"boxes": moved, "scores": rng.random(labels.shape).astype(np.float32), "classes": other}


def test_detections_are_in_the_pictures_own_pixels(data):
    """The boxes that are to be found, found: all come back to where they were drawn."""
    for batch in batches(data).epoch(0):
        scores = np.ones(batch.targets["box_labels"].shape)
        outputs = {"boxes": batch.targets["boxes"], "scores": scores, "classes": batch.targets["box_labels"]}
        for found, index in zip(found_in(outputs, batch.targets), batch.indices, strict=True):
            label = data.val[index].label
            np.testing.assert_allclose(found.corners, label.corners, atol=1e-4)
            np.testing.assert_array_equal(found.classes, label.classes)


def test_what_lies_beside_the_picture_is_no_detection():
    targets = {"size": np.array([[50, 100]]), "scale": np.array([[1.0, 1.0]])}
    boxes = np.array([[[0, 60, 10, 80], [90, 40, 120, 70], [0, 0, 0, 0.0]]])
    outputs = {"boxes": boxes, "scores": np.ones((1, 3)), "classes": np.array([[0, 1, -1]])}
    (found,) = found_in(outputs, targets)
    assert (found.corners.tolist(), found.classes.tolist()) == ([[90, 40, 100, 50]], [1])


def test_a_mask_lies_over_the_box_as_it_was_said():
    """Its left half is covered; the picture ends in that half."""
    targets = {"size": np.array([[50, 100]]), "scale": np.array([[2.0, 2.0]])}
    said = np.zeros((1, 1, 28, 28))
    said[..., :14] = 1
    boxes = np.array([[[45, 20, 60, 35.0]]])
    outputs = {"boxes": boxes, "scores": np.ones((1, 1)), "classes": np.array([[0]]), "masks": said}
    (found,) = found_in(outputs, targets)
    mask = found.masks[0].mask
    np.testing.assert_array_equal(mask, paste(said[0, 0], np.array([90, 40, 120, 70.0]), 50, 100))
    assert (found.corners.tolist(), mask[45].nonzero()[0].tolist()) == ([[90, 40, 100, 50]], [*range(89, 100)])


def test_the_files_of_a_run_are_cocos(judged):
    meter, folder = judged
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "boxes.json"))
        result = COCOeval(truth, truth.loadRes(str(folder / "detections.json")), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    np.testing.assert_allclose(np.nan_to_num(list(meter.result().values()), nan=-1), result.stats, rtol=1e-12)
    rows = {row.name: row for row in read_box_rows(folder)}
    for picture in read_boxes(folder):
        row, outcome = rows[picture.name], picture.outcome
        assert (sum(row.label.values()), sum(row.predicted.values())) == (outcome.boxes, outcome.found)
        assert (row.right, row.missed, row.false) == (outcome.right, outcome.missed, outcome.false)


def test_the_page(judged, data):
    meter, folder = judged
    result = json.loads(json.dumps({"classes": data.classes, **{k: v.tolist() for k, v in meter.by_class().items()}}))
    sections = {type(section): section for section in DETECTION.page(folder, result).sections}
    by_class, worst = sections[ByClass], sections[WorstBoxes].rows
    assert np.nanmean(by_class.columns["AP"]) == pytest.approx(meter.result()["AP"])
    assert by_class.confusion.shape == (4, 4)
    assert by_class.support.sum() == sum(len(s.label) for s in data.val)
    assert len(sections[Curves].lines) == len(sections[Table].rows) == 3
    mistakes = [row.outcome.missed + row.outcome.false for row in worst]
    assert mistakes == sorted(mistakes, reverse=True)
    assert min(mistakes) > 0
    whole = {
        **result, "backend": "tf", "recipe": to_dict(Recipe()), "task": "detection", "architecture": "n",
        "versions": {}, "seconds": 1.0,
        "data": {"train": 160, "val": 40}, "metrics": {**meter.result(), "AP_large": math.nan},
        "train_metrics": {**meter.result(), "images": 40},
    }  # fmt: skip
    rows = [{"epoch_end": True, "epoch": i + 1, "step": i + 1, "loss": 1.0 / (i + 1), "AP": 0.1 * i} for i in range(3)]
    page = render_training(folder, whole, rows, DETECTION.page(folder, whole), data.val)
    misses = "What it misses and makes up", "missed,", "false, large"
    for words in ("Precision over recall", *misses, "(no box)", "and has no loss"):
        assert words in page
    assert ">nan<" not in page
    found_nothing = {**whole, "metrics": {**whole["metrics"], "AP": 0.0}}
    page_of_nothing = render_training(folder, found_nothing, rows, DETECTION.page(folder, whole), None)
    told = "nothing that it says is right"
    assert (told in page, told in page_of_nothing) == (False, True)
    thawed = {**found_nothing, "recipe": to_dict(Recipe(freeze="none"))}
    page_of_all = render_training(folder, thawed, rows, DETECTION.page(folder, whole), None)
    assert ("--freeze none" in page_of_nothing, "--freeze none" in page_of_all) == (True, False)
    assert "label smoothing" not in page
    assert ">nan<" not in page
    assert page.count("data:image/jpeg") == 2 * len(worst)
    assert "are no longer where they were" in render_training(folder, whole, rows, DETECTION.page(folder, whole), None)


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("boxes.json", ("annotations", 0, "category_id"), 99),
        ("boxes.json", ("annotations", 0, "image_id"), 0),
        ("boxes.json", ("annotations", 0, "bbox"), [10**400, 0, 1, 1]),
        ("boxes.json", ("images", 0, "height"), 10**12),
        ("detections.json", (0, "score"), 1e300),
        ("detections.json", (0, "bbox"), [math.nan, 0, 1, 1]),
    ],
)
def test_a_forged_file_is_said_in_one_line(file, path, value, judged, tmp_path):
    for name in ("boxes.json", "detections.json"):
        (tmp_path / name).write_bytes((judged[1] / name).read_bytes())
    content = json.loads((tmp_path / file).read_text())
    home = content
    for key in path[:-1]:
        home = home[key]
    home[path[-1]] = value
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(RunError, match="expected the files that a run wrote"):
        read_boxes(tmp_path)


def test_a_broken_file_is_said_in_one_line(judged, tmp_path):
    for name in ("boxes.json", "detections.json"):
        (tmp_path / name).write_bytes((judged[1] / name).read_bytes())
    for broken in ("[1]", "{", '[{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]'):
        (tmp_path / "detections.json").write_text(broken)
        with pytest.raises(RunError, match="expected the files that a run wrote") as told:
            read_boxes(tmp_path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "fields", [{"mixup": 0.2}, {"erase": 0.5}, {"randaugment": "2x9"}, {"loss": "bce"}, {"label_smoothing": 0.1}]
)
def test_what_has_no_meaning_for_boxes_is_refused(fields):
    (name,) = fields
    with pytest.raises(RecipeError, match=rf"^{name}: not for detection: .*; leave it out$"):
        DETECTION.require(Recipe(**fields))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet18", "max_size: resnet18 finds no boxes; its pictures are of one size, leave max_size out"),
        ("ssdlite320_mobilenet_v2", "max_size: ssdlite320_mobilenet_v2 takes squares, whose shares its boxes are"),
        ("fasterrcnn_mobilenet_v2_fpn", "max_size: got 100, but the short side has 160; raise it, or set image_size"),
    ],
)
def test_pictures_that_cannot_keep_their_shape(model, words):
    recipe = Recipe(model=model, data="digits" if model == "resnet18" else "scenes", weights="none", max_size=100)
    with pytest.raises(RecipeError, match=words):
        prepare_job(recipe, with_weights=False, quiet=True)


def test_drawn_boxes_are_where_they_are():
    picture = np.full((100, 160, 3), 200, np.uint8)
    one = drawn(picture, np.array([[20.0, 40, 90, 80]]), [2], ("a", "b", "c"), np.array([0.5]))
    changed = (one != 200).any(-1)
    assert changed[40, 20:90].all()
    assert changed[40:80, 20].all()
    assert changed[79, 20:90].all()
    assert changed[40:80, 89].all()
    assert not changed[45:75, 25:85].any()
    assert not changed[:, 95:].any()
    assert drawn(picture, np.zeros((0, 4)), [], ("a",), None).tolist() == picture.tolist()
