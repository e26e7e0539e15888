"""What turns the boxes of one side into those of the other is named where it is exact, and only there."""

from types import SimpleNamespace

import numpy as np
import pytest

from ft.differences import background_class, box_form, box_offset
from ft.parity.evidence import Evidence
from ft.parity.probes.boxes import FORMS, turned_into
from ft.parity.verdict import Row

SIZE = (64, 80)
BOXES = np.array([[[3.0, 5, 30, 40], [10, 20, 78, 63], [0, 0, 0, 0]], [[1, 2, 9, 12], [0, 0, 0, 0], [0, 0, 0, 0]]])
LATER = np.array([0.0, 0, 1, 1])
LABELS = np.array([[2, 0, -1], [1, -1, -1]])
PROBES = {"box-form": box_form, "box-offset": box_offset, "background-class": background_class}


def found(boxes=BOXES, labels=LABELS, *, turned=False):
    """Return what each probe finds between the boxes above and others."""
    sides = [
        {"boxes": b, "box_labels": k, "images": np.zeros((2, *SIZE, 3))} for b, k in ((BOXES, LABELS), (boxes, labels))
    ]
    names = [n for n in ("boxes", "box_labels") if not np.array_equal(sides[0][n], sides[1][n])]
    rows = [Row(0, "batch", name, 0.5, 1.0, 1, 8, 1e-13) for name in names]
    traces = [
        SimpleNamespace(label=label, dtype="float64", arrays=lambda step, phase, own=own: own)
        for label, own in zip("ab", sides[:: -1 if turned else 1], strict=True)
    ]
    evidence = Evidence(*traces, SimpleNamespace(rows=rows))
    return [(name, f.detail) for name, module in PROBES.items() for f in module.probe(evidence)]


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
