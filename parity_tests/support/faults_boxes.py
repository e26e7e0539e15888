"""Faults of boxes and their classes, and of what detectors learn and find, each given to one wing alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf
import torch

from ft.network.boxes.coding import BETA
from ft.network.boxes.detections import Found, filled
from ft.network.boxes.ssd import shares
from ft.network.boxes.suppression import suppress
from ft.parity.arrays import Tensors
from ft.parity.probes.boxes import turned_into
from ft.parity.trace import TraceBatch
from ft_tf.tasks import detection as tf_detection
from ft_tf.tasks import onestage as tf_onestage
from ft_torch.tasks import detection as torch_detection
from ft_torch.tasks import onestage as torch_onestage
from parity_tests.support.faults import Fault, Feed
from parity_tests.support.faults_layers import Pair, one_of, one_wing
from parity_tests.support.pairs import Case

FRESH = {"weights": "none", "image_size": 64}
DETECTOR = Case("fasterrcnn_mobilenet_v2_fpn", "base", FRESH)
RETINANET, FCOS = (Case(f"{name}_mobilenet_v2_fpn", "base", FRESH) for name in ("retinanet", "fcos"))
POINTS = Case("keypointrcnn_mobilenet_v2_fpn", "base", FRESH)
SSDLITE = Case("ssdlite320_mobilenet_v2", "base", FRESH)


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


@contextmanager
def ratios_in_float32(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Take boxes times ratios that are rounded to float32 and not, of pictures of odd sizes."""
    old, new = np.array([375.0, 500.0]), np.array([601.0, 799.0])
    off = (np.float32(new) / np.float32(old)).astype(np.float64) / (new / old)
    yield fed(rng, lambda targets, batch: {"boxes": targets["boxes"] * np.tile(off, 2)})


@contextmanager
def hubers_loss(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Take the mean of Huber's loss over the four numbers of a box, as keras.losses does."""
    wing = one_wing(rng)
    own = {"torch": torch_detection, "tf": tf_detection}[wing].of_objects
    with patch(f"ft_{wing}.tasks.detection.of_objects", lambda *given: own(*given) * (BETA / 4)):
        yield


@contextmanager
def short_objectness(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Round the loss of objectness to float32; its gradient stays what it is."""
    wing = one_wing(rng)
    own = {"torch": torch_detection, "tf": tf_detection}[wing].losses

    def losses(outputs: Any) -> Any:
        parts = own(outputs)
        exact = parts["loss_objectness"]
        value = exact.detach().numpy() if wing == "torch" else exact.numpy()
        return {**parts, "loss_objectness": exact + (float(np.float32(value)) - float(value))}

    with patch(f"ft_{wing}.tasks.detection.losses", losses):
        yield


@contextmanager
def divided_by_the_batch(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Divide RetinaNet's losses by the objects' anchors of the whole batch."""

    def of_torch(outputs: Any, objective: Any) -> Any:
        count = (outputs["classes"] >= 0).sum().clamp(min=1)
        away = (outputs["said"] - outputs["boxes"]).abs().sum()
        return {"all": (torch_onestage.focal(outputs).sum() + away) / count}

    def of_tf(outputs: Any, objective: Any) -> Any:
        count = tf.reduce_sum(tf.cast(outputs["classes"] >= 0, tf.float64))
        away = tf.reduce_sum(tf.abs(outputs["said"] - outputs["boxes"]))
        return {"all": (tf.reduce_sum(tf_onestage.focal(outputs)) + away) / count}

    wing = one_wing(rng)
    formula = {"torch": of_torch, "tf": of_tf}[wing]
    with patch.dict(f"ft_{wing}.tasks.onestage.LOSSES", retinanet=formula):
        yield


@contextmanager
def negatives_of_the_batch(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Take SSD's hard negatives of all pictures at once."""
    wing = one_wing(rng)
    as_numbers = {"torch": torch.from_numpy, "tf": tf.constant}[wing]

    def counts(terms: Any, classes: Any, ratio: float) -> Any:
        own, kinds = (x.detach().numpy() if wing == "torch" else x.numpy() for x in (terms, classes))
        return as_numbers(shares(own.reshape(1, -1), kinds.reshape(1, -1), ratio).reshape(own.shape))

    with patch(f"ft_{wing}.tasks.onestage.count_of_losses", counts):
        yield


@contextmanager
def order_of_boxes(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Exchange the two squares of SSD's first map in what is said of boxes."""
    learner = pair[one_wing(rng)]
    weights = learner.get_weights()
    name = next(n for n in weights if n.endswith("regression_head.module_list.0.1.weight"))
    bias = name.replace("weight", "bias")
    order = [1, 0, *range(2, len(weights[name]) // 4)]
    turned = {n: weights[n].reshape(len(order), 4, -1)[order].reshape(weights[n].shape) for n in (name, bias)}
    learner.set_weights({**weights, **turned})
    yield


@contextmanager
def finding(pair: Pair, rng: np.random.Generator, change: Callable[[Tensors], Tensors]) -> Iterator[None]:
    """Change what one wing finds. change: its outputs -> what is another in them."""
    learner = pair[one_wing(rng)]
    own = learner.outputs

    def outputs(inputs: Any) -> Tensors:
        found = own(inputs)
        return {**found, **change(found)}

    with patch.object(learner, "outputs", outputs):
        yield


def scores_multiplied(pair: Pair, rng: np.random.Generator) -> AbstractContextManager[None]:
    """Take the product of class and centreness, not its root."""
    return finding(pair, rng, lambda found: {"scores": found["scores"] ** 2})


def corners_of_places(pair: Pair, rng: np.random.Generator) -> AbstractContextManager[None]:
    """Take a heatmap's argmax without the half of a place."""

    def change(found: Tensors) -> Tensors:
        sides = np.maximum(found["boxes"][..., 2:] - found["boxes"][..., :2], 1.0)
        return {"keypoints": found["keypoints"] - 0.5 * (sides / np.ceil(sides))[:, :, None]}

    return finding(pair, rng, change)


def suppressed_over_classes(pair: Pair, rng: np.random.Generator) -> AbstractContextManager[None]:
    """Suppress what overlaps a better box of any class."""

    def change(found: Tensors) -> Tensors:
        rows = []
        for boxes, scores, classes in zip(found["boxes"], found["scores"], found["classes"], strict=True):
            there = classes >= 0
            own = suppress(boxes[there], scores[there], np.zeros(there.sum()), 0.5)
            rows.append(Found(boxes[there][own], scores[there][own], classes[there][own]))
        return filled(rows, found["boxes"].shape[1])._asdict()

    return finding(pair, rng, change)


FAULTS = [
    Fault("box-form", DETECTOR, boxes_in_another_form),
    Fault("box-offset", DETECTOR, last_pixel_counted),
    Fault("background-class", DETECTOR, classes_behind_background),
    Fault("box-ratios-float32", DETECTOR, ratios_in_float32),
    Fault("smooth-l1", DETECTOR, hubers_loss),
    Fault("objectness-float32", DETECTOR, short_objectness),
    Fault("nms-per-class", DETECTOR, suppressed_over_classes),
    Fault("focal-divisor", RETINANET, divided_by_the_batch),
    Fault("centreness", FCOS, scores_multiplied),
    Fault("hard-negatives", SSDLITE, negatives_of_the_batch),
    Fault("default-boxes", SSDLITE, order_of_boxes),
    Fault("keypoint-offset", POINTS, corners_of_places),
]
