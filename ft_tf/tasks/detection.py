"""Detection: the sum of the training losses of a network: torchvision's, with its divisors.

Of one with two stages there are four, of what a step drew; those of one stage are in onestage.py.

Anchors: whether one is of an object, and what to say of those that are. Boxes: which class, and what to say of those
that are not background. Each is divided by how many of them were drawn in the batch; where none were it is 0.
"""

from collections.abc import Mapping

import tensorflow as tf

from ft.backend.objective import Objective
from ft.network.boxes.coding import BETA
from ft.zoo.detector import OneStage
from ft_tf.drawn import Terms
from ft_tf.tasks import onestage


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    one = isinstance(objective.detector, OneStage)
    return tf.add_n(list((onestage.losses(outputs, objective) if one else losses(outputs)).values()))


def right(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return 0: no picture is simply right."""
    return tf.zeros((), next(iter(outputs.values())).dtype)


def terms(outputs: Mapping[str, tf.Tensor]) -> Terms:
    """Return the losses as sums, of anchors and of boxes: of a part of a batch, whose divisors are the whole's."""
    own, like = losses(outputs), outputs["objectness"]
    counts = tf.cast(tf.stack([tf.size(outputs["objects"]), tf.size(outputs["classes"])]), like.dtype)
    means = own["loss_objectness"] + own["loss_rpn_box_reg"], own["loss_classifier"] + own["loss_box_reg"]
    return Terms([mean * count for mean, count in zip(means, tf.unstack(counts), strict=True)], counts)


def one_more(terms: Terms, mean: tf.Tensor, count: tf.Tensor) -> Terms:
    """Return terms and one more, a mean over `count` values."""
    count = tf.cast(count, terms.counts.dtype)
    return Terms([*terms.sums, mean * count], tf.concat([terms.counts, [count]], 0))


def losses(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the four losses by the names that torchvision gives them."""
    objects, classes = outputs["objects"], outputs["classes"]
    own = tf.gather(outputs["box_deltas"], classes, batch_dims=1)
    entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, outputs["class_logits"])
    return {
        "loss_objectness": tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(objects, outputs["objectness"])),
        "loss_rpn_box_reg": of_objects(outputs["deltas"], outputs["anchor_boxes"], objects > 0),
        "loss_classifier": tf.reduce_sum(entropies) / count_of(entropies),
        "loss_box_reg": of_objects(own, outputs["roi_boxes"], classes > 0),
    }


def of_objects(said: tf.Tensor, wanted: tf.Tensor, objects: tf.Tensor) -> tf.Tensor:
    """Return the sum of smooth L1 over boxes of objects, divided by how many boxes there are."""
    away = tf.abs(said - wanted)
    terms = tf.reduce_sum(tf.where(away < BETA, 0.5 * away**2 / BETA, away - 0.5 * BETA), 1)
    counted = tf.cast(objects, terms.dtype)
    return tf.reduce_sum(terms * counted) / count_of(terms)


def count_of(terms: tf.Tensor) -> tf.Tensor:
    """Return how many terms there are, at least 1."""
    return tf.cast(tf.maximum(tf.size(terms), 1), terms.dtype)
