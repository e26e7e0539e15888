"""Normalisation with PyTorch's statistics and constants."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from ft_tf.layers.base import SameShape, register, sizes


class Moments(NamedTuple):
    """Mean and biased variance (C,) of a batch, of how many values, and those that the running statistics take."""

    mean: tf.Tensor
    variance: tf.Tensor
    count: tf.Tensor
    moving_mean: tf.Tensor
    moving_variance: tf.Tensor


@register
class BatchNorm2d(SameShape):
    """BatchNorm with PyTorch's statistics: (N, H, W, C), or (N, C) in a head -> the same shape.

    Keras keeps the biased variance of a batch, PyTorch the unbiased one; momentum means the share of the new value here
    (0.1) and of the old one there (0.99); eps is 1e-5 here and 1e-3 there. `frozen` makes the layer run in inference
    mode inside a training step, as a frozen stage does; `moments` gives the statistics where several ranks have a part
    of the batch each.
    """

    moments: Callable[[tf.Tensor], Moments] | None = None

    def __init__(self, *, eps: float = 1e-5, momentum: float = 0.1, **base: Any) -> None:
        super().__init__(autocast=False, **base)  # bfloat16 stays what it is, and so do the float32 weights
        self.eps, self.momentum, self.frozen = eps, momentum, False

    def build(self, input_shape: tuple) -> None:
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.moving_mean = self.add_weight(name="moving_mean", shape=shape, initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(name="moving_variance", shape=shape, initializer="ones", trainable=False)
        self.num_batches_tracked = self.add_weight(
            name="num_batches_tracked", shape=(), dtype="int64", initializer="zeros", trainable=False
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.frozen:
            return self.normalise(x, self.moving_mean, self.moving_variance)
        # one kernel, three times as fast; in float32 its sums are rougher than these steps and PyTorch's
        fused = len(x.shape) == 4 and x.dtype == tf.bfloat16
        y, mean, unbiased = self.fused(x) if fused and not self.moments else self.in_steps(x)
        self.update(self.moving_mean, mean)
        self.update(self.moving_variance, unbiased)
        self.num_batches_tracked.assign_add(1)
        return y

    def fused(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return what the batch becomes, its mean and its unbiased variance, by the raw operation.

        tf.compat.v1.nn.fused_batch_norm would raise eps to 1.001e-5.
        """
        none = tf.zeros((0,))
        weights = {"scale": tf.convert_to_tensor(self.gamma), "offset": tf.convert_to_tensor(self.beta)}
        return tf.raw_ops.FusedBatchNormV3(x=x, **weights, mean=none, variance=none, epsilon=self.eps)[:3]

    def in_steps(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the same, step by step."""
        exact = tf.cast(x, self.variable_dtype)
        if self.moments:
            m = self.moments(exact)
            unbiased = m.moving_variance * (m.count / (m.count - 1))
            return self.normalise(x, m.mean, m.variance), m.moving_mean, unbiased
        mean, variance = tf.nn.moments(exact, axes=list(range(len(x.shape) - 1)))
        count = tf.cast(tf.size(x) // tf.shape(x)[-1], exact.dtype)
        return self.normalise(x, mean, variance), mean, variance * (count / (count - 1))

    def normalise(self, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """Return (x - mean) / sqrt(variance + eps) * gamma + beta, computed in the weights' type, in that of x."""
        exact = tf.cast(x, self.variable_dtype)
        return tf.cast(tf.nn.batch_normalization(exact, mean, variance, self.beta, self.gamma, self.eps), x.dtype)

    def update(self, running: keras.Variable, batch: tf.Tensor) -> None:
        """Move a running statistic towards the batch's by `momentum`."""
        running.assign(running * (1 - self.momentum) + tf.stop_gradient(batch) * self.momentum)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "eps": self.eps, "momentum": self.momentum}


@register
class FrozenBatchNorm2d(SameShape):
    """BatchNorm whose numbers never move, (N, H, W, C) -> the same shape: torchvision.ops.FrozenBatchNorm2d.

    None of them is a parameter, also where the stage trains.
    """

    def __init__(self, *, eps: float = 1e-5, **base: Any) -> None:
        super().__init__(autocast=False, **base)
        self.eps = eps

    def build(self, input_shape: tuple) -> None:
        for name, start in (
            ("gamma", "ones"),
            ("beta", "zeros"),
            ("moving_mean", "zeros"),
            ("moving_variance", "ones"),
        ):
            variable = self.add_weight(name=name, shape=(input_shape[-1],), initializer=start, trainable=False)
            variable.is_buffer = True
            setattr(self, name, variable)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        exact, statistics = tf.cast(x, self.variable_dtype), (self.moving_mean, self.moving_variance)
        return tf.cast(tf.nn.batch_normalization(exact, *statistics, self.beta, self.gamma, self.eps), x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "eps": self.eps}


FROZEN = [False]  # whether `batch_norm` gives frozen ones
OPTIONS: list[dict[str, float]] = [{}]  # what it gives all of them


@contextmanager
def frozen_norms() -> Iterator[None]:
    """Let `batch_norm` give frozen ones, as torchvision's norm_layer=FrozenBatchNorm2d does for a whole network."""
    FROZEN.append(True)
    try:
        yield
    finally:
        FROZEN.pop()


@contextmanager
def norms_of(**options: float) -> Iterator[None]:
    """Let `batch_norm` give ones of these options, as torchvision's norm_layer=partial(BatchNorm2d, ...) does."""
    OPTIONS.append(options)
    try:
        yield
    finally:
        OPTIONS.pop()


def batch_norm(*, name: str, **options: Any) -> keras.layers.Layer:
    """Return a BatchNorm with its options; a frozen one has torchvision's own."""
    return FrozenBatchNorm2d(name=name) if FROZEN[-1] else BatchNorm2d(name=name, **{**options, **OPTIONS[-1]})


@register
class LayerNorm(SameShape):
    """Normalisation over the last axis: (..., C) -> the same shape. eps is 1e-5 in PyTorch and 1e-3 in Keras."""

    def __init__(self, *, eps: float = 1e-5, **base: Any) -> None:
        super().__init__(**base)
        self.eps = eps

    def build(self, input_shape: tuple) -> None:
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.eps)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "eps": self.eps}


@register
class GroupNorm(SameShape):
    """Normalisation over the places and neighbouring channels of a sample: (N, H, W, C) -> the same shape.

    eps is 1e-5 in PyTorch and 1e-3 in Keras.
    """

    def __init__(self, groups: int, *, eps: float = 1e-5, **base: Any) -> None:
        super().__init__(**base)
        self.groups, self.eps = groups, eps

    def build(self, input_shape: tuple) -> None:
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        count, height, width, channels = sizes(x)
        grouped = tf.reshape(x, [count, height * width, self.groups, channels // self.groups])
        mean, variance = tf.nn.moments(grouped, axes=[1, 3], keepdims=True)
        y = (grouped - mean) * tf.math.rsqrt(variance + self.eps)
        return tf.reshape(y, [count, height, width, channels]) * self.gamma + self.beta

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "eps": self.eps}


@register
class Normalization(keras.layers.Normalization):
    """Keras's Normalization, then a scaling: (N, H, W, C) -> (x - mean) / sqrt(variance) * scale.

    Keras's layer takes mean and variance for constants of the graph, which assigned weights do not reach; this one
    reads its variables.
    """

    def __init__(self, *, scale: tuple[float, ...], **base: Any) -> None:
        super().__init__(**base)
        self.scale = tuple(scale)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        deviation = tf.maximum(tf.sqrt(self.adapt_variance), keras.config.epsilon())
        return (x - self.adapt_mean) / deviation * tf.constant(self.scale, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": list(self.scale)}
