"""The training losses of detectors of one stage: torchvision's, with its divisors.

Classes of all anchors that count, and what is said of those of objects. Those of a whole batch are sums here, see
`Objective.summed`.
"""

from collections.abc import Mapping

import tensorflow as tf

from ft.backend.objective import Objective
from ft.network.boxes.coding import LARGEST
from ft.network.boxes.matching import NEITHER
from ft.zoo.detector import DefaultBoxes, OneStage
from ft_tf.layers import count_of_losses

ALPHA = 0.25  # of the focal loss: what the yes of a class counts, and its no the rest; its power is 2
EPS = 1e-7
Outputs = Mapping[str, tf.Tensor]


def losses(outputs: Outputs, objective: Objective) -> dict[str, tf.Tensor]:
    """Return the losses by the names that torchvision gives them."""
    return LOSSES[objective.kind](outputs, objective)


def retinanet(outputs: Outputs, objective: Objective) -> dict[str, tf.Tensor]:
    """Return RetinaNet's losses: of each picture, divided by its anchors of objects, and of these the mean."""
    own = tf.math.count_nonzero(outputs["classes"] >= 0, 1)
    shares = 1 / tf.cast(tf.maximum(own, 1) * tf.size(own, tf.int64), outputs["said"].dtype)
    assert isinstance(objective.detector, OneStage)
    if objective.detector.giou:
        away = away_from(from_deltas(outputs["said"], outputs["anchor_corners"]), outputs["boxes"])
    else:
        away = tf.reduce_sum(tf.abs(outputs["said"] - outputs["boxes"]), 1)
    return {
        "classification": tf.reduce_sum(tf.reduce_sum(focal(outputs), 1) * shares),
        "bbox_regression": tf.reduce_sum(away * tf.repeat(shares, own)),
    }


def focal(outputs: Outputs) -> tf.Tensor:
    """Return the focal loss of each anchor (N, A), 0 of those that do not count."""
    logits, classes = outputs["class_logits"], outputs["classes"]
    wanted = tf.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    p = tf.sigmoid(logits)
    wrong = 1 - (p * wanted + (1 - p) * (1 - wanted))
    weights = ALPHA * wanted + (1 - ALPHA) * (1 - wanted)
    terms = weights * wrong**2 * tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
    return tf.reduce_sum(terms, 2) * tf.cast(classes != NEITHER, logits.dtype)


def from_deltas(said: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Return boxes (F, 4) by what is said of anchors, see `decode`."""
    sides = anchors[:, 2:] - anchors[:, :2]
    middle = said[:, :2] * sides + (anchors[:, :2] + 0.5 * sides)
    half = 0.5 * (tf.exp(tf.minimum(said[:, 2:], tf.constant(LARGEST, said.dtype))) * sides)
    return tf.concat([middle - half, middle + half], 1)


def from_sides(said: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Return boxes (F, 4) by how far their sides are from the middles of anchors, in the anchors' own sizes."""
    middle, sides = 0.5 * (anchors[:, :2] + anchors[:, 2:]), anchors[:, 2:] - anchors[:, :2]
    return tf.concat([middle - said[:, :2] * sides, middle + said[:, 2:] * sides], 1)


def away_from(boxes: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Return 1 - GIoU of pairs of boxes (F,). Source: torchvision/ops/giou_loss.py."""
    both = area_of(tf.maximum(boxes[:, :2], truth[:, :2]), tf.minimum(boxes[:, 2:], truth[:, 2:]), empty=True)
    union = area_of(boxes[:, :2], boxes[:, 2:]) + area_of(truth[:, :2], truth[:, 2:]) - both
    around = area_of(tf.minimum(boxes[:, :2], truth[:, :2]), tf.maximum(boxes[:, 2:], truth[:, 2:]))
    return 1 - (both / (union + EPS) - (around - union) / (around + EPS))


def area_of(start: tf.Tensor, end: tf.Tensor, *, empty: bool = False) -> tf.Tensor:
    """Return areas (F,) between corners. empty: 0 where they are the wrong way round."""
    sides = end - start
    whole = sides[:, 0] * sides[:, 1]
    return tf.where(tf.reduce_all(sides > 0, 1), whole, tf.zeros_like(whole)) if empty else whole


def fcos(outputs: Outputs, objective: Objective) -> dict[str, tf.Tensor]:
    """Return FCOS's losses, sums."""
    boxes = from_sides(outputs["said"], outputs["anchor_corners"])
    entropies = tf.nn.sigmoid_cross_entropy_with_logits(outputs["middles"], outputs["middle"])
    return {
        "classification": tf.reduce_sum(focal(outputs)),
        "bbox_regression": tf.reduce_sum(away_from(boxes, outputs["boxes"])),
        "bbox_ctrness": tf.reduce_sum(entropies),
    }


def ssd(outputs: Outputs, objective: Objective) -> dict[str, tf.Tensor]:
    """Return SSD's losses, sums: of the classes of objects' boxes and of hard negatives, see `shares`."""
    classes, detector = outputs["classes"], objective.detector
    assert isinstance(detector, DefaultBoxes)
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(classes + 1, outputs["class_logits"])
    away = tf.abs(outputs["said"] - outputs["boxes"])
    return {
        "classification": tf.reduce_sum(terms * count_of_losses(terms, classes, detector.negatives)),
        "bbox_regression": tf.reduce_sum(tf.where(away < 1, 0.5 * away**2, away - 0.5)),
    }


LOSSES = {"retinanet": retinanet, "fcos": fcos, "ssd": ssd}
