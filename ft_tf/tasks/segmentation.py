"""Segmentation: the training losses, means over the pixels that count, of logits (N, H, W, K) and masks (N, H, W).

A pixel counts as much as its class weighs, one of 255 nothing: where none counts the loss is 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ft.backend.objective import Objective
from ft.metrics.pixels import LEFT_OUT

TINY = float(np.finfo(np.float32).tiny)  # what an empty sum is divided by


class Pixels(NamedTuple):
    """What masks say: labels int32 (N, H, W), 0 where none counts; counted (N, H, W) 0 or 1; weight of each pixel;
    what each class weighs (K,).
    """

    labels: tf.Tensor
    counted: tf.Tensor
    weight: tf.Tensor
    classes: tf.Tensor


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the mean by the pixels' weights: a part of a batch counts by its share of them."""
    logits, pixels = outputs["logits"], pixels_of(targets["mask"], outputs["logits"], objective)
    samples = tf.zeros_like(logits[:, 0, 0, 0])  # each one's loss times what its pixels weigh
    if objective.kind != "dice":
        samples = samples + cross_entropy(logits, pixels, objective)
    if objective.kind.endswith("dice"):
        samples = samples + dice(logits, pixels) * tf.reduce_sum(pixels.weight, [1, 2])
    return tf.reduce_sum(samples) / tf.maximum(tf.reduce_sum(pixels.weight), TINY)


def right(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return 0: no picture is simply right."""
    return tf.zeros((), outputs["logits"].dtype)


def pixels_of(mask: tf.Tensor, logits: tf.Tensor, objective: Objective) -> Pixels:
    """Return what masks uint8 (N, H, W) say."""
    counted = mask != LEFT_OUT
    labels = tf.where(counted, tf.cast(mask, tf.int32), 0)
    given = objective.class_weights
    classes = tf.ones(logits.shape[-1], logits.dtype) if given is None else tf.constant(given, logits.dtype)
    counts = tf.cast(counted, logits.dtype)
    return Pixels(labels, counts, counts * tf.gather(classes, labels), classes)


def cross_entropy(logits: tf.Tensor, pixels: Pixels, objective: Objective) -> tf.Tensor:
    """Return the sum of the pixels' cross-entropies by sample (N,), as torch.nn.functional.cross_entropy has them.

    With gamma above 0 the term of class k counts (1 - p_k)^gamma, as in ft_tf/tasks/classification.py.
    """
    smoothing, gamma = objective.label_smoothing, objective.gamma
    if not smoothing and not gamma:  # in one operation: the gradient of a gather is a slow scatter
        own = tf.nn.sparse_softmax_cross_entropy_with_logits(pixels.labels, logits)
        return tf.reduce_sum(own * pixels.weight, [1, 2])
    log_p = tf.nn.log_softmax(logits)
    terms = log_p * (1 - tf.exp(log_p)) ** gamma if gamma else log_p
    own = tf.gather(terms, pixels.labels, batch_dims=3) * pixels.weight
    if not smoothing:
        return -tf.reduce_sum(own, [1, 2])
    others = tf.linalg.matvec(terms, pixels.classes) * pixels.counted / logits.shape[-1]
    return -tf.reduce_sum((1 - smoothing) * own + smoothing * others, [1, 2])


def dice(logits: tf.Tensor, pixels: Pixels) -> tf.Tensor:
    """Return 1 - the mean of 2 |A and B| / (|A| + |B|) over the classes that a mask has, by sample (N,).

    Source: Milletari et al., "V-Net", 3DV 2016, without its squares.
    """
    p = tf.nn.softmax(logits) * pixels.counted[..., None]
    truth = tf.one_hot(pixels.labels, logits.shape[-1], dtype=logits.dtype) * pixels.counted[..., None]
    size = tf.reduce_sum(truth, [1, 2])
    present = tf.cast(size > 0, logits.dtype)
    both = tf.reduce_sum(p * truth, [1, 2])
    shares = 2 * both / tf.maximum(tf.reduce_sum(p, [1, 2]) + size, TINY)
    return 1 - tf.reduce_sum(shares * present, 1) / tf.maximum(tf.reduce_sum(present, 1), 1)
