"""The training losses, means over the batch."""

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, *, label_smoothing: float = 0.0) -> tf.Tensor:
    """Return the mean cross-entropy of logits (N, K), as torch.nn.functional.cross_entropy has it.

    labels: class indices (N,), or target probabilities (N, K).
    """
    log_p = tf.nn.log_softmax(logits)
    if labels.dtype.is_integer:
        chosen = tf.gather(log_p, labels, batch_dims=1)
    else:
        chosen = tf.reduce_sum(labels * log_p, axis=1)
    return -tf.reduce_mean((1 - label_smoothing) * chosen + label_smoothing * tf.reduce_mean(log_p, axis=1))
