"""The training losses, means over the batch."""

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, *, label_smoothing: float = 0.0) -> tf.Tensor:
    """Return the mean cross-entropy of logits (N, K) and labels (N,), as torch.nn.functional.cross_entropy has it."""
    log_p = tf.nn.log_softmax(logits)
    chosen = tf.gather(log_p, labels, batch_dims=1)
    return -tf.reduce_mean((1 - label_smoothing) * chosen + label_smoothing * tf.reduce_mean(log_p, axis=1))
