"""BatchNorm that learns from a batch of which every rank has a part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from ft_tf.layers.norm import BatchNorm2d, Moments

Three = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # mean and biased variance (C,), and of how many values


@contextmanager
def synchronised(model: keras.Model, ranks: Any, *, counts: tf.Tensor | None, sync: bool) -> Iterator[None]:
    """Let the BatchNorms that learn see the samples of all ranks while the block runs.

    counts: 0 where this rank's only stand in; sync: False leaves each rank to itself but for the running statistics,
    which are the mean of the ranks' own. Keras's BatchNormalization(synchronized=True) takes E[x^2] - E[x]^2 for the
    variance, which loses digits.
    """
    layers = [layer for layer in model.layers if isinstance(layer, (BatchNorm2d, keras.layers.BatchNormalization))]
    moments_of = partial(over_ranks if sync else alone, ranks, counts) if ranks.size > 1 else None
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


def over_ranks(ranks: Any, counts: tf.Tensor, x: tf.Tensor) -> Moments:
    """Return the statistics of the whole batch."""
    mean, variance, count = moments(x, ranks, tf.cast(counts, x.dtype))
    return Moments(mean, variance, count, mean, variance)


def alone(ranks: Any, counts: tf.Tensor, x: tf.Tensor) -> Moments:
    """Return this rank's own statistics, and for the running ones the mean of all ranks' own."""
    mean, variance, count = own_moments(x)
    own = tf.concat([mean, variance, tf.stack([tf.ones_like(count), count])], 0) * tf.cast(counts, x.dtype)
    total = ranks.total(tf.stop_gradient(own))
    means, variances, size, values = tf.split(total, [mean.shape[0], mean.shape[0], 1, 1])
    return Moments(mean, variance, values[0] / size[0], means / size, variances / size)


def moments(x: tf.Tensor, ranks: Any, counts: tf.Tensor) -> Three:
    """Return those of all ranks. The sums that the gradient needs travel together, and x alone waits for it."""

    @tf.custom_gradient
    def of_all(x: tf.Tensor) -> tuple[Three, Callable[..., tf.Tensor]]:
        mean, variance, count = own_moments(x)
        rows = ranks.each(tf.concat([mean, variance, [count * counts]], 0))
        mean, variance, count = merged(*tf.split(rows, [mean.shape[0], mean.shape[0], 1], 1))

        def gradient(by_mean: tf.Tensor, by_variance: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            total = ranks.total(tf.concat([by_mean, 2 * by_variance], 0)) * (counts / count)
            shift, slope = tf.split(total, 2)
            return (x - mean) * slope + shift

        return (mean, variance, count), gradient

    both: Any = of_all(x)
    mean, variance, count = both
    return mean, variance, tf.stop_gradient(count)


def own_moments(x: tf.Tensor) -> Three:
    """Return those of this rank's part, by two passes: E[x^2] - E[x]^2 loses digits."""
    mean, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
    return mean, variance, tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)


def merged(means: tf.Tensor, variances: tf.Tensor, counts: tf.Tensor) -> Three:
    """Return the moments of the whole from those of its parts, a row each, which loses no digits."""
    count = tf.reduce_sum(counts)
    mean = tf.reduce_sum(means * counts, 0) / count
    return mean, tf.reduce_sum((variances + tf.square(means - mean)) * counts, 0) / count, count


def as_keras(
    layer: keras.layers.BatchNormalization, moments_of: Callable[[tf.Tensor], Moments], x: Any, mask: Any
) -> Any:
    """Return mean and variance as Keras's layer asks for them; it moves its statistics by these."""
    exact = tf.cast(x, layer.variable_dtype)
    both = moments_of(exact)
    assert mask is None
    return both.mean, both.variance
