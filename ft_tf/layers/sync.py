"""BatchNorm that learns from a batch of which every rank has a part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from ft_tf.layers.norm import BatchNorm2d, Moments

Total = Callable[[tf.Tensor], tf.Tensor]


@contextmanager
def synchronised(model: keras.Model, ranks: Any, *, counts: tf.Tensor | None, sync: bool) -> Iterator[None]:
    """Let the BatchNorms that learn see the samples of all ranks while the block runs.

    counts: 0 where this rank's only stand in; sync: False leaves each rank to itself but for the running statistics,
    which are the mean of the ranks' own. Keras's BatchNormalization(synchronized=True) takes E[x^2] - E[x]^2 for the
    variance, which loses digits.
    """
    layers = [layer for layer in model.layers if isinstance(layer, (BatchNorm2d, keras.layers.BatchNormalization))]
    moments_of = partial(over_ranks if sync else alone, ranks.total, counts) if ranks.size > 1 else None
    try:
        for layer in layers if moments_of else ():
            if isinstance(layer, BatchNorm2d):
                layer.moments = moments_of
            else:
                own: Any = partial(as_keras, layer, moments_of)
                layer._moments = own
        yield
    finally:
        for layer in layers if moments_of else ():
            if isinstance(layer, BatchNorm2d):
                layer.moments = None
            else:
                del layer._moments  # its own, put before that of its class


def over_ranks(total: Total, counts: tf.Tensor, x: tf.Tensor) -> Moments:
    """Return the statistics of the whole batch."""
    mean, variance, count = moments(x, total, tf.cast(counts, x.dtype))
    return Moments(mean, variance, count, mean, variance)


def alone(total: Total, counts: tf.Tensor, x: tf.Tensor) -> Moments:
    """Return this rank's own statistics, and for the running ones the mean of all ranks' own."""
    mean, variance, count = moments(x, lambda own: own, tf.ones((), x.dtype))
    own = tf.concat([mean, variance, tf.stack([tf.ones_like(count), count])], 0) * tf.cast(counts, x.dtype)
    means, variances, ranks, values = tf.split(total(tf.stop_gradient(own)), [mean.shape[0], mean.shape[0], 1, 1])
    return Moments(mean, variance, values[0] / ranks[0], means / ranks, variances / ranks)


def moments(x: tf.Tensor, total: Total, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return mean and biased variance (C,), and of how many values: two passes, for E[x^2] - E[x]^2 loses digits."""
    axes = list(range(len(x.shape) - 1))
    own = tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)
    sums = total(tf.concat([tf.reduce_sum(x, axes), [own]], 0) * counts)
    mean, count = sums[:-1] / sums[-1], tf.stop_gradient(sums[-1])
    deviations = tf.reduce_sum(tf.square(x - mean), axes)
    return mean, total(deviations * counts) / count, count


def as_keras(
    layer: keras.layers.BatchNormalization, moments_of: Callable[[tf.Tensor], Moments], x: Any, mask: Any
) -> Any:
    """Return mean and variance as Keras's layer asks for them; it moves its statistics by these."""
    exact = tf.cast(x, layer.variable_dtype)
    both = moments_of(exact)
    assert mask is None
    return both.mean, both.variance
