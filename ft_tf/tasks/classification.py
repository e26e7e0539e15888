"""Classification: the training losses, means over the batch, of logits (N, K).

Labels are class numbers (N,), or a share or truth value of each class (N, K), as after mixup.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from ft.backend.objective import Objective
from ft.data.targets import classes_of


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the mean by the samples' weights in the objective: a part of a batch counts by its share of them."""
    logits, labels = outputs["logits"], classes_of(targets)
    smoothing, gamma, weights = objective.label_smoothing, objective.gamma, objective.class_weights
    if objective.kind == "focal":
        return focal_loss(logits, labels, gamma=gamma, label_smoothing=smoothing, class_weights=weights)
    if objective.kind == "bce":
        return binary_cross_entropy(logits, labels, gamma=gamma, label_smoothing=smoothing, class_weights=weights)
    return cross_entropy(logits, labels, label_smoothing=smoothing, class_weights=weights)


def right(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return how many samples have their highest logit where their label is, or the largest of their shares."""
    logits, labels = outputs["logits"], classes_of(targets)
    labels = labels if is_hard(labels) else tf.argmax(labels, 1)
    hits = tf.argmax(logits, 1) == tf.cast(labels, tf.int64)
    return tf.reduce_sum(tf.cast(hits, logits.dtype))


def cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """Return the mean cross-entropy, as torch.nn.functional.cross_entropy has it.

    With class weights the mean divides by the sum of the labels' weights, and by N where labels are shares.
    """
    log_p = tf.nn.log_softmax(logits)
    if is_hard(labels) and class_weights is None:
        chosen = tf.gather(log_p, labels, batch_dims=1)
        return -tf.reduce_mean((1 - label_smoothing) * chosen + label_smoothing * tf.reduce_mean(log_p, axis=1))
    target, total = weighted(labels, logits, label_smoothing, class_weights)
    return -tf.reduce_sum(target * log_p) / total


def focal_loss(
    logits: tf.Tensor,
    labels: tf.Tensor,
    *,
    gamma: float,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Return the focal loss: cross-entropy whose term of class k counts (1 - p_k)^gamma; gamma 0 is cross-entropy.

    Source: Lin et al., "Focal loss for dense object detection", 2017, for softmax.
    """
    log_p = tf.nn.log_softmax(logits)
    target, total = weighted(labels, logits, label_smoothing, class_weights)
    return -tf.reduce_sum(target * (1 - tf.exp(log_p)) ** gamma * log_p) / total


def binary_cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    *,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Return the cross-entropy of a yes or no for each class, the mean over all N * K of them, gamma above 0: focal.

    binary_cross_entropy_with_logits of torch.nn.functional, torchvision.ops.sigmoid_focal_loss without its alpha.
    label_smoothing moves each truth value towards a half.
    """
    truth = shares(labels, logits) * (1 - label_smoothing) + label_smoothing / 2
    losses = tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
    if gamma:
        p = tf.sigmoid(logits)
        losses = losses * (p * (1 - truth) + (1 - p) * truth) ** gamma
    weights = tf.constant(1.0 if class_weights is None else class_weights, logits.dtype)
    return tf.reduce_mean(losses * weights)


def weighted(
    labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float, class_weights: Sequence[float] | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the smoothed shares (N, K) times the class weights, and what the mean divides by."""
    share, count = shares(labels, logits), int(logits.shape[1] or 0)
    weights = tf.constant([1.0] * count if class_weights is None else class_weights, logits.dtype)
    target = weights * ((1 - label_smoothing) * share + label_smoothing / count)
    return target, tf.reduce_sum(weights * share) if is_hard(labels) else tf.cast(tf.shape(logits)[0], logits.dtype)


def shares(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return labels as shares (N, K)."""
    classes = logits.shape[1]
    return tf.one_hot(labels, classes, dtype=logits.dtype) if is_hard(labels) else tf.cast(labels, logits.dtype)


def is_hard(labels: tf.Tensor) -> bool:
    """Tell class numbers (N,) from shares (N, K); a graph for both would be neither, so ValueError there."""
    if labels.shape.rank not in (1, 2):
        raise ValueError(f"labels of shape {labels.shape}; expected (N,) or (N, classes)")
    return labels.shape.rank == 1
