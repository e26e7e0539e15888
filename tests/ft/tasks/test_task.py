"""What every task owes the house, and that a split measured in parts is the split measured whole."""

from inspect import isabstract
from itertools import combinations, pairwise

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from ft.metrics.accuracy import Metrics, softmax
from ft.metrics.calibration import BINS
from ft.metrics.confusion import class_scores, confusion_of
from ft.metrics.entities import NO_LABEL
from ft.metrics.run_lengths import runs_of
from ft.tasks import TASKS, task_in
from ft.tasks.classification import SINGLE
from ft.tasks.multilabel import MULTI
from ft.tasks.task import Meter, PredictionTable, Score, Task

HOOKS = {"require", "batches", "counts", "idle", "masks", "boxes", "merge"}  # what a task may say, and most do not
CLASSES = ("O", "B-A", "I-A", "B-B", "I-B", "C")
LOWER = Score("mae", "lower", word="error", heading="Error", axis="error", page="Error")


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_overrides_nothing_and_leaves_nothing_out(task):
    assert [name for name in Task.__annotations__ if not hasattr(task, name)] == []
    made = ((Task, type(task)), (Meter, type(task.meter(CLASSES[:3]))), (PredictionTable, task.predictions))
    for base, kind in made:
        line = kind.__mro__[: kind.__mro__.index(base) + 1]
        assert kind.__final__
        assert all(map(isabstract, line[1:]))
        for below, above in combinations(line, 2):
            overridden = {name for name in vars(above) if name in vars(below) and not name.startswith("_")}
            assert overridden - own(above) - HOOKS == set()


def own(base):
    """Return what a subclass is there to say."""
    return base.__abstractmethods__ | base.__annotations__.keys()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_meter_gives_the_measures_of_its_task(task):
    meter = task.meter(CLASSES[:3])
    outputs, targets = batch(task, np.random.default_rng(0), 4, 3)
    meter.update(outputs, targets)
    assert list(meter.result()) == [measure.name for measure in task.measures]
    assert meter.count == 4
    names = set(meter.result())
    assert ("loss" in names) == (task.loss is not None)
    assert {task.score.metric, *(measure.name for measure in task.logged)} <= names
    assert task.share is None or task.share.metric in names


def batch(task, rng, count, classes, dtype=np.float32):
    """Return outputs and targets of so many samples, with equal logits among them."""
    if task.labels in MORE:
        return MORE[task.labels](boxes(rng, count, classes, dtype), rng)
    shape = {"masks": (count, 4, 5, classes), "tags": (count, 7, classes), "none": (count, 7, classes)}
    logits = np.round(4 * rng.normal(size=shape.get(task.labels, (count, classes))), 1).astype(dtype)
    labels = rng.integers(0, classes, logits.shape[:-1])
    if task.labels == "numbers":
        return {"logits": logits[:, :1]}, {"values": rng.normal(size=count).astype(dtype)}
    if task.labels == "masks":
        return {"logits": logits}, {"mask": labels.astype(np.uint8)}
    if task.labels in ("tags", "none"):
        return {"logits": logits}, {"tokens": np.where(rng.random(labels.shape) < 0.3, NO_LABEL, labels)}
    return {"logits": logits}, {"labels": labels} if task is SINGLE else {
        "shares": np.eye(classes, dtype=dtype)[labels]
    }


def boxes(rng, count, classes, dtype):
    """Return detections and boxes of pictures: each box is found, beside its place, some of a wrong class."""
    first = rng.uniform(0, 40, (count, 8, 2))
    corners = np.concatenate([first, first + rng.uniform(5, 30, first.shape)], axis=2)
    labels = np.where(rng.random((count, 8)) < 0.7, rng.integers(0, classes, (count, 8)), -1)
    said = np.where(rng.random((count, 8)) < 0.8, labels, rng.integers(0, classes, (count, 8)))
    scores = np.round(rng.random((count, 8)), 2)
    found = {"boxes": (corners + rng.normal(0, 1, corners.shape)).astype(dtype), "scores": scores.astype(dtype)}
    own = {"own_boxes": 2 * corners, "own_labels": labels, "own_aside": rng.random((count, 8)) < 0.1}
    more = {
        "size": np.full((count, 2), 200),
        "scale": np.full((count, 2), 2.0),
        "index": rng.integers(0, 1 << 40, count),
    }
    return {**found, "classes": said}, {**own, **more, "box_labels": labels}


def with_masks(found, rng):
    """Return the same with masks: what is said of each box on a grid, and its upper left quarter where it is true."""
    outputs, targets = found
    masks = np.zeros((*targets["own_labels"].shape, 200, 200), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks.reshape(-1, 200, 200), targets["own_boxes"].reshape(-1, 4), strict=True):
        mask[round(y1) : round((y1 + y2) / 2), round(x1) : round((x1 + x2) / 2)] = True
    texts = [[runs_of(mask).counts.encode().ljust(400, b"\0") for mask in own] for own in masks]
    rows = np.array([[np.frombuffer(text, np.uint8) for text in own] for own in texts])
    said = rng.random((*outputs["classes"].shape, 28, 28)).astype(outputs["scores"].dtype)
    return {**outputs, "masks": said}, {**targets, "own_masks": rows.reshape(len(rows), -1)}


def with_points(found, rng):
    """Return the same with four keypoints of each box, those that are found a little beside; a third is not marked."""
    outputs, targets = found
    corners, count = targets["own_boxes"], targets["own_labels"].shape
    places = corners[..., None, :2] + rng.random((*count, 4, 2)) * (corners[..., 2:] - corners[..., :2])[..., None, :]
    points = np.concatenate([places, np.ones((*count, 4, 1))], -1) * (rng.random((*count, 4, 1)) < 2 / 3)
    said = places / 2 + rng.normal(0, 0.5, places.shape)
    heights = rng.random((*count, 4))
    areas = np.prod(corners[..., 2:] - corners[..., :2], -1)
    return {**outputs, "keypoints": said, "heights": heights}, {**targets, "own_points": points, "own_areas": areas}


MORE = {"boxes": lambda found, rng: found, "instances": with_masks, "keypoints": with_points}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [3, 17, 300])
def test_the_figures_of_batches_are_those_of_the_whole_split(classes, dtype):
    """Bit for bit, from every logit at once; the loss is the sum of the batches' sums."""
    rng, meter, metrics = np.random.default_rng(classes), SINGLE.meter([""] * classes), Metrics()
    batches = [batch(SINGLE, rng, count, classes, dtype) for count in (64, 64, 7, 1)]
    for outputs, targets in batches:
        meter.update(outputs, targets)
        metrics.update(outputs["logits"], targets["labels"])
    logits, labels = (np.concatenate([b[i][key] for b in batches]) for i, key in enumerate(("logits", "labels")))
    probability, predicted = softmax(logits).max(1), logits.argmax(1)
    confusion = confusion_of(labels, predicted, classes)
    known = confusion.sum(0) + confusion.sum(1) > 0
    assert meter.result() == {
        "top1": metrics.top1,
        "top5": metrics.top5,
        "loss": metrics.loss,
        "macro_f1": class_scores(confusion).f1[known].mean(),
        "matthews": pytest.approx(matthews_corrcoef(labels, predicted), rel=1e-13),
        "ece": calibration_error(probability, predicted == labels),
    }


def calibration_error(probability, right):
    """Return the ECE from all images at once."""
    place = np.clip(np.ceil(probability * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights=x, minlength=BINS) for x in (right.astype(float), probability)]
    accuracy, confidence = (x[count > 0] / count[count > 0] for x in sums)
    return (np.abs(accuracy - confidence) * count[count > 0]).sum() / count.sum()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_meters_add_up_in_any_order(task):
    rng = np.random.default_rng(0)
    batches = [batch(task, rng, count, 6) for count in (9, 8, 2)]
    whole, parts = task.meter(CLASSES), [task.meter(CLASSES) for _ in batches]
    for part, (outputs, targets) in zip(parts, batches, strict=True):
        whole.update(outputs, targets)
        part.update(outputs, targets)
    merged = task.meter(CLASSES)
    for part in (parts[2], parts[0], parts[1]):
        merged.merge(part)
    assert merged.count == whole.count == 19
    assert merged.result() == pytest.approx(whole.result(), rel=1e-14, nan_ok=True)
    for key, values in whole.by_class().items():
        np.testing.assert_array_equal(merged.by_class()[key], values)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_table_of_batches_is_that_of_the_whole_split(task, tmp_path):
    rng, classes = np.random.default_rng(1), CLASSES
    batches = [batch(task, rng, count, 6) for count in (5, 1, 3)]
    whole = [
        {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} for parts in zip(*batches, strict=True)
    ]
    for folder, parts in (("parts", batches), ("whole", [whole])):
        table = task.predictions()
        for outputs, targets in parts:
            table.update(outputs, targets)
        (tmp_path / folder).mkdir()
        table.write(tmp_path / folder, [f"{i}.png" for i in range(9)], classes)
    a, b = (tmp_path / folder / "predictions.csv" for folder in ("parts", "whole"))
    assert a.read_bytes() == b.read_bytes()
    rows = task.predictions.read(tmp_path / "whole")
    assert [row.name for row in rows] == [f"{i}.png" for i in range(9)]
    assert all(task.predictions.agree(row, row) for row in rows)
    assert not all(task.predictions.agree(x, y) for x, y in pairwise(rows))


def test_the_task_of_records():
    records = {}, {"task": "single-label"}, {"task": "multi-label"}
    assert [task_in(record) for record in records] == [SINGLE, SINGLE, MULTI]


def test_what_is_named_of_an_image():
    logits = {"logits": np.log([[0.9, 0.8, 0.1, 0.7]]) - np.log1p([[-0.9, -0.8, -0.1, -0.7]])}
    named = [[k for k, _ in MULTI.guesses(logits, {}, top)[0]] for top in (1, 4)]
    assert named == [[0, 1, 3], [0, 1, 3, 2]]
    [[(best, probability)]] = SINGLE.guesses(logits, {}, 1)
    assert (best, probability) == (0, softmax(logits["logits"])[0, 0])


@pytest.mark.parametrize(("score", "good", "bad"), [(SINGLE.score, 0.9, 0.8), (LOWER, 0.1, 0.2), (LOWER, -2.0, 3.0)])
def test_a_score_knows_which_way_is_better(score, good, bad):
    assert score.is_better(good, bad)
    assert not score.is_better(bad, good)
    assert not score.is_better(good, good)
    assert score.is_better(bad, None)  # the first one, whatever it is
    for nothing in (None, np.nan, np.inf):
        assert not score.is_better(nothing, bad)
        assert not score.is_better(nothing, None)


def test_what_has_no_classes_says_so():
    words = {name: task.labels_in_words(1) for name, task in TASKS.items()}
    assert (words["regression"], words["language-model"], words["single-label"]) == (
        "a number each",
        "no labels",
        "1 class",
    )
    assert TASKS["token-classification"].labels_in_words(3) == "3 classes"
