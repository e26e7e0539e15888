"""What turns the boxes of one side into those of the other is named where it is exact, and only there."""

from types import SimpleNamespace

import numpy as np
import pytest

from ft.differences import (
    background_class,
    box_form,
    box_offset,
    box_ratios_float32,
    centreness,
    default_boxes,
    focal_divisor,
    hard_negatives,
    keypoint_offset,
    nms_per_class,
    objectness_float32,
    smooth_l1,
)
from ft.network.boxes.coding import BETA
from ft.parity.evidence import Evidence
from ft.parity.probes import box_losses
from ft.parity.probes.boxes import FORMS, turned_into
from ft.parity.verdict import Row

SIZE = (64, 80)
BOXES = np.array([[[3.0, 5, 30, 40], [10, 20, 78, 63], [0, 0, 0, 0]], [[1, 2, 9, 12], [0, 0, 0, 0], [0, 0, 0, 0]]])
LATER = np.array([0.0, 0, 1, 1])
LABELS = np.array([[2, 0, -1], [1, -1, -1]])
PROBES = (background_class, box_form, box_offset, box_ratios_float32)
OF_LOSSES = (focal_divisor, hard_negatives, objectness_float32, smooth_l1)
OF_FOUND = (centreness, keypoint_offset, nms_per_class)


def found(boxes=BOXES, labels=LABELS, *, turned=False):
    """Return what each probe finds between the boxes above and others."""
    sides = [
        {"boxes": b, "box_labels": k, "images": np.zeros((2, *SIZE, 3))} for b, k in ((BOXES, LABELS), (boxes, labels))
    ]
    names = [n for n in ("boxes", "box_labels") if not np.array_equal(sides[0][n], sides[1][n])]
    return told(PROBES, 0, "batch", names, sides[:: -1 if turned else 1])


def told(probes, step, phase, names, sides):
    """Return what probes find between two traces whose phases all hold the same arrays, of which some differ."""
    rows = [Row(step, phase, name, 0.5, 1.0, 1, 8, 1e-13) for name in names]
    traces = [
        SimpleNamespace(label=label, dtype="float64", arrays=lambda step, phase, own=own: own)
        for label, own in zip("ab", sides, strict=True)
    ]
    evidence = Evidence(*traces, SimpleNamespace(rows=rows))
    return [(f.entry, f.detail) for module in probes for f in module.probe(evidence)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_another_form(form, turned):
    boxes = turned_into(BOXES.reshape(-1, 4), form, SIZE).reshape(BOXES.shape)
    side = "a" if turned and form != "y1, x1, y2, x2" else "b"  # turned twice these are themselves
    assert found(boxes, turned=turned) == [("box-form", f"{side} has the other's boxes as {form}")]
    boxes[0, 0, 0] += 1e-3
    assert found(boxes, turned=turned) == []


def test_a_pixel_more():
    assert found(BOXES + LATER) == [("box-offset", "b's boxes end a pixel later")]
    assert found(BOXES - LATER) == [("box-offset", "a's boxes end a pixel later")]
    assert found(BOXES + 1) == [("box-offset", "b's boxes lie a pixel further")]
    assert found(BOXES + np.array([[LATER], [2 * LATER]])) == []


def test_classes_behind_a_background():
    told = "numbers classes from one more on than"
    assert found(labels=LABELS + 1) == [("background-class", f"b {told} a, as behind a background")]
    assert found(labels=LABELS - (LABELS > 0)) == []
    moved = np.where(LABELS >= 0, LABELS + 1, LABELS)
    assert found(labels=moved, turned=True) == [("background-class", f"a {told} b, as behind a background")]


def test_boxes_of_ratios_in_float32():
    off = np.tile(np.float32([601 / 375, 799 / 500]) / np.array([601 / 375, 799 / 500]), 2)
    words = "each picture's boxes are the other's times one number of x and one of y, hardly off 1"
    assert found(BOXES * off) == [("box-ratios-float32", words)]
    noise = 1 + 1e-8 * np.random.default_rng(0).normal(size=BOXES.shape)
    assert found(BOXES * noise) == []
    assert found(BOXES * 1.01) == []


def learnt(seed=0):
    """Return the outputs of a step of two stages: 6 anchors and 5 boxes of 3 classes with the background."""
    rng = np.random.default_rng(seed)
    objects = np.array([1.0, 0, 0, 1, 0, 0])
    return {
        "objectness": rng.normal(size=6), "objects": objects, "deltas": rng.normal(size=(6, 4)),
        "anchor_boxes": rng.normal(size=(6, 4)) * objects[:, None], "class_logits": rng.normal(size=(5, 3)),
        "classes": np.array([0, 2, 1, 0, 2]), "box_deltas": rng.normal(size=(5, 3, 4)),
        "roi_boxes": rng.normal(size=(5, 4)),
    }  # fmt: skip


def of_anchors(kinds, channels, seed=0):
    """Return the outputs of a step of one stage: two pictures of 8 anchors of these classes."""
    rng, count = np.random.default_rng(seed), int((np.array(kinds) >= 0).sum())
    anchors = np.concatenate([corner := rng.uniform(0, 40, (count, 2)), corner + rng.uniform(8, 20, (count, 2))], 1)
    said = {"said": rng.normal(size=(count, 4)), "boxes": rng.normal(size=(count, 4)), "anchor_corners": anchors}
    return {"class_logits": rng.normal(size=(2, 8, channels)), "classes": np.array(kinds), **said}


def of_losses(outputs, a, b):
    """Return what probes find of two losses of the same outputs."""
    return told(OF_LOSSES, 0, "loss", ["loss"], [{**outputs, "loss": np.array(loss)} for loss in (a, b)])


def test_the_parts_of_a_loss_with_two_stages():
    outputs = learnt()
    parts = box_losses.two_stages(outputs)
    exact, boxes = sum(parts.values()), parts["proposals"] + parts["boxes"]
    plain = "smooth L1, the sum of four numbers"
    assert of_losses(outputs, exact, exact - boxes * (1 - BETA / 4)) == [
        ("smooth-l1", f"a: {plain}; b: Huber's loss, the mean of four numbers")
    ]
    short = exact - parts["objectness"] + float(np.float32(parts["objectness"]))
    assert of_losses(outputs, short, exact) == [
        ("objectness-float32", "a: a number of float32; b: the loss of objectness in float64")
    ]
    assert of_losses(outputs, exact, exact * 1.01) == []


def test_what_losses_of_one_stage_are_divided_by():
    outputs = of_anchors([[2, -1, -2, -1, -1, -1, -1, -1], [0, 1, 1, -1, -1, -2, -1, -1]], 3)
    own, all_of_them = focal_divisor.OWN, focal_divisor.ALL
    for losses, counts in box_losses.by_picture(outputs):
        told_of = of_losses(outputs, (losses / counts).mean(), losses.sum() / counts.sum())
        assert told_of == [("focal-divisor", f"a: {own}; b: {all_of_them}")]
    assert of_losses(outputs, 1.0, 2.0) == []


def test_whose_negatives_are_the_hardest():
    outputs = of_anchors([[1, -1, -1, -1, -1, -1, -1, 0], [-1] * 8], 3)
    a, b = (box_losses.with_negatives(outputs, of_batch=way) for way in (True, False))
    assert of_losses(outputs, a, b) == [
        ("hard-negatives", "a: the hardest of the batch; b: the hardest of each picture")
    ]


def of_found(a, b, name):
    """Return what probes find of two answers about one picture."""
    return told(OF_FOUND, None, "inference", [name], [a, b])


def test_what_is_found_otherwise():
    boxes = np.array([[[10.0, 10, 30.5, 30], [11, 10, 31, 30], [50, 50, 60, 62.25], [0, 0, 0, 0]]])
    scores, classes = np.array([[0.9, 0.8, 0.7, 0.0]]), np.array([[0, 1, 0, -1]])
    plain = {"boxes": boxes, "scores": scores, "classes": classes, "keypoints": np.full((1, 4, 2, 2), 20.25)}
    squares = {**plain, "scores": scores**2}
    assert of_found(plain, squares, "scores") == [("centreness", "b's scores are the squares of the other's")]
    sides = boxes[..., 2:] - boxes[..., :2]
    half = 0.5 * np.maximum(sides, 1) / np.ceil(np.maximum(sides, 1))
    moved = {**plain, "keypoints": plain["keypoints"] - half[:, :, None]}
    assert half[0, 0].tolist() == [0.5 * 20.5 / 21, 0.5]
    assert of_found(moved, plain, "keypoints") == [
        ("keypoint-offset", "a takes the corner of a heatmap's place, the other its middle")
    ]
    order = [0, 2, 3, 3]
    fewer = {name: x[:, order] for name, x in plain.items()}
    assert of_found(plain, fewer, "boxes") == [
        ("nms-per-class", "b lacks what lies under better boxes of another class")
    ]
    lacking = {name: x[:, [0, 1, 3, 3]] for name, x in plain.items()}
    assert of_found(plain, lacking, "boxes") == []


def test_default_boxes_in_another_order():
    weight = np.random.default_rng(0).normal(size=(12, 2, 3, 3))
    turned = weight.reshape(3, 4, -1)[[0, 2, 1]].reshape(weight.shape)
    for other, words in ((turned, "b's boxes are 1, 3, 2 of a's"), (weight[::-1], ""), (weight + 1, "")):
        sides = [{"head.weight": weight}, {"head.weight": other}]
        assert [said for _, said in told([default_boxes], None, "weights", ["head.weight"], sides)] == [words] * bool(
            words
        )
