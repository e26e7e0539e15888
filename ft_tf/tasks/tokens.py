"""Tokens: the training loss, a mean over the tokens that have a target, of logits (N, T, K) and targets (N, T).

The target of a token is its label, or for a language model the token that follows. A token counts as much as its class
weighs, one of NO_LABEL nothing: where none counts the loss is 0.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ft.backend.objective import Objective
from ft.metrics.entities import NO_LABEL

TINY = float(np.finfo(np.float32).tiny)  # what an empty sum is divided by


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the cross-entropy, as torch.nn.functional.cross_entropy has it of all tokens in one row.

    With gamma above 0 the term of class k counts (1 - p_k)^gamma, as in ft_tf/tasks/classification.py. The mean is
    by the tokens' weights: a part of a batch counts by its share of them.
    """
    logits, smoothing, given = outputs["logits"], objective.label_smoothing, objective.class_weights
    counted = targets["tokens"] != NO_LABEL
    labels, counts = tf.where(counted, targets["tokens"], 0), tf.cast(counted, logits.dtype)
    classes = tf.ones(logits.shape[-1], logits.dtype) if given is None else tf.constant(given, logits.dtype)
    weight = counts * tf.gather(classes, labels)
    if not smoothing and not objective.gamma:  # in one operation: the gradient of a gather is a slow scatter
        own = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits) * weight
        return tf.reduce_sum(own) / tf.maximum(tf.reduce_sum(weight), TINY)
    log_p = tf.nn.log_softmax(logits)
    terms = log_p * (1 - tf.exp(log_p)) ** objective.gamma if objective.gamma else log_p
    own = tf.gather(terms, labels, batch_dims=2) * weight
    if smoothing:
        own = (1 - smoothing) * own + smoothing * tf.linalg.matvec(terms, classes) * counts / logits.shape[-1]
    return -tf.reduce_sum(own) / tf.maximum(tf.reduce_sum(weight), TINY)


def right(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return 0: no text is simply right."""
    return tf.zeros((), outputs["logits"].dtype)
