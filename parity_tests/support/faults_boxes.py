"""Faults of boxes and of their classes, each given to one wing alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ft.parity.arrays import Tensors
from ft.parity.probes.boxes import turned_into
from ft.parity.trace import TraceBatch
from parity_tests.support.faults import Fault, Feed
from parity_tests.support.faults_layers import Pair, one_of, one_wing
from parity_tests.support.pairs import Case

DETECTOR = Case("fasterrcnn_mobilenet_v2_fpn", "base", {"weights": "none", "image_size": 64})


def fed(rng: np.random.Generator, change: Callable[[Tensors, TraceBatch], Tensors]) -> Feed:
    """Return what gives one wing other targets. change: those of a batch -> what is another in them."""
    return {one_wing(rng): lambda batch: replace(batch, targets={**batch.targets, **change(batch.targets, batch)})}


@contextmanager
def boxes_in_another_form(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Give y before x, or shares."""
    form = one_of(rng, "y1, x1, y2, x2", "shares of the picture")

    def change(targets: Tensors, batch: TraceBatch) -> Tensors:
        height, width = batch.inputs["images"].shape[1:3]
        boxes = targets["boxes"]
        return {"boxes": turned_into(boxes.reshape(-1, 4), form, (height, width)).reshape(boxes.shape)}

    yield fed(rng, change)


@contextmanager
def last_pixel_counted(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Let boxes end a pixel later."""
    yield fed(rng, lambda targets, batch: {"boxes": targets["boxes"] + np.array([0.0, 0, 1, 1])})


@contextmanager
def classes_behind_background(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Number classes from 1 on."""
    yield fed(rng, lambda targets, batch: {"box_labels": targets["box_labels"] + (targets["box_labels"] >= 0)})


FAULTS = [
    Fault("box-form", DETECTOR, boxes_in_another_form),
    Fault("box-offset", DETECTOR, last_pixel_counted),
    Fault("background-class", DETECTOR, classes_behind_background),
]
