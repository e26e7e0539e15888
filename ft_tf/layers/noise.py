"""Dropout and stochastic depth whose masks are a function of seed, layer, step and position."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from math import prod
from typing import Any

import keras
import tensorflow as tf

from ft.noise import GOLDEN, MIX1, MIX2, UNIFORM_BITS, keep_threshold, layer_key
from ft_tf.layers.base import SameShape, register

LEAST = 2**16  # numbers, from which on compiling what draws them pays within an epoch
KERAS_DROPOUT = (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)


class Noise(SameShape):
    """What Dropout and StochasticDepth share: a rate, a key, and the clock that a training step sets.

    Keras's own layers draw from a stateful seed generator, so their masks cannot equal another framework's. Inside
    `noise(...)` these layers compute SplitMix64 (ft/noise.py) from the step instead; outside of it, in a user's own
    loop or `fit`, they draw as Keras's layers do, each from a generator of its own.
    """

    maps = True  # whether what has four axes is N, H, W, C

    def __init__(self, p: float, **base: Any) -> None:
        super().__init__(**base)
        self.p, self.key, self.frozen = p, 0, False
        self.seed_generator = keras.random.SeedGenerator() if p > 0 else None
        self.clock: tf.Tensor | None = None  # int64 (2,): step, position of the first sample in the global batch

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.frozen or self.p == 0:
            return x
        if self.clock is None:
            return keras.random.dropout(x, self.p, noise_shape=self.noise_shape(x), seed=self.seed_generator)
        return x * self.factors(x, self.clock)

    def factors(self, x: tf.Tensor, clock: tf.Tensor) -> tf.Tensor:
        """Return what `x` is multiplied by. For a large one compiled: each operation would go through memory anew."""
        sizes = [own if size is None else size for own, size in zip(x.shape, self.noise_shape(x), strict=True)]
        count = 0 if None in sizes else prod(filter(None, sizes))
        large = count >= LEAST and not tf.config.get_visible_devices("GPU")
        draw = compiled_factors(maps=self.maps) if large else partial(factors, maps=self.maps)
        numbers = tf.constant([self.key, keep_threshold(self.p)], tf.int64)
        return draw(self.mask_shape(x), clock, numbers, tf.constant(1 / (1 - self.p), x.dtype))

    def noise_shape(self, x: tf.Tensor) -> tuple[int | None, ...]:
        """Return the shape of the mask for `x`, broadcast to it; None: as long as `x` is along that axis."""
        raise NotImplementedError

    def mask_shape(self, x: tf.Tensor) -> tf.Tensor:
        """Return the same with every size known, int64."""
        sizes = zip(tf.unstack(tf.shape(x, tf.int64)), self.noise_shape(x), strict=True)
        return tf.stack([own if size is None else tf.constant(size, tf.int64) for own, size in sizes])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p}


@register
class Dropout(Noise):
    """Dropout whose mask is a function of seed, layer name, step and position."""

    def noise_shape(self, x: tf.Tensor) -> tuple[int | None, ...]:
        return (None,) * len(x.shape)


@register
class StochasticDepth(Noise):
    """Stochastic depth by row: a sample's whole branch is dropped, or scaled up by 1 / (1 - p)."""

    def noise_shape(self, x: tf.Tensor) -> tuple[int | None, ...]:
        return (None, *[1] * (len(x.shape) - 1))


def factors(shape: tf.Tensor, clock: tf.Tensor, numbers: tf.Tensor, scale: tf.Tensor, *, maps: bool) -> tf.Tensor:
    """Return `scale` where `ft.noise.keep_mask` keeps, else 0, counted in canonical N, C, H, W order.

    shape: of the mask; clock: step, position of the first sample; numbers: key, threshold; all int64.
    """
    key, threshold = tf.unstack(numbers)
    key = mix(key + (clock[0] + 1) * GOLDEN)
    order = canonical_index(shape) if maps else tf.reshape(tf.range(tf.reduce_prod(shape)), shape)
    index = order + clock[1] * tf.reduce_prod(shape[1:]) + 1
    top = tf.bitwise.bitwise_and(shifted(mix(key + index * GOLDEN), 64 - UNIFORM_BITS), (1 << UNIFORM_BITS) - 1)
    return tf.where(top >= threshold, scale, tf.zeros_like(scale))


@cache
def compiled_factors(*, maps: bool) -> Callable[..., tf.Tensor]:
    """Return `factors` as one loop, by XLA: traced once, compiled for each shape. Whole numbers stay exact."""
    return tf.function(partial(factors, maps=maps), autograph=False, jit_compile=True)


def canonical_index(shape: tf.Tensor) -> tf.Tensor:
    """Return each element's position in canonical order (int64): N, C, H, W for a channels-last `shape` of rank 4."""
    if shape.shape[0] != 4:
        return tf.reshape(tf.range(tf.reduce_prod(shape)), shape)
    n, h, w, c = tf.unstack(shape)
    return tf.transpose(tf.reshape(tf.range(tf.reduce_prod(shape)), [n, c, h, w]), [0, 2, 3, 1])


def shifted(z: tf.Tensor, bits: int) -> tf.Tensor:
    """Return int64 `z` shifted right by `bits`, zeros coming in: right_shift keeps the sign."""
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(z, tf.constant(bits, tf.int64)), (1 << (64 - bits)) - 1)


def mix(z: tf.Tensor) -> tf.Tensor:
    """Return SplitMix64's output function of int64 `z`."""
    z = tf.bitwise.bitwise_xor(z, shifted(z, 30)) * MIX1
    z = tf.bitwise.bitwise_xor(z, shifted(z, 27)) * MIX2
    return tf.bitwise.bitwise_xor(z, shifted(z, 31))


def seed_noise(model: keras.Model, seed: int) -> None:
    """Give every noise layer the key of this seed and of its own path, and refuse Keras's own dropout layers."""
    for layer in model.layers:
        if isinstance(layer, Noise):
            layer.key = layer_key(seed, layer.name)
        elif isinstance(layer, KERAS_DROPOUT) and layer.rate > 0:
            raise TypeError(f"{layer.name}: {type(layer).__name__} draws from Keras's generator; use ft_tf.layers")


@contextmanager
def noise(model: keras.Model, clock: tf.Tensor) -> Iterator[None]:
    """Let a network's noise layers draw the masks of `clock`, int64 (step, position of the first sample), for one call.

    While a step is traced the clock is a symbolic argument of its function: the graph reads it anew at each call.
    """
    layers = [layer for layer in model.layers if isinstance(layer, Noise)]
    try:
        for layer in layers:
            layer.clock = clock
        yield
    finally:
        for layer in layers:
            layer.clock = None
