"""Bilinear resizing. tf.image.resize computes in float32 whatever it is given."""

from typing import Any

import keras
import tensorflow as tf

from ft.network.resize import bilinear_weights, nearest_places
from ft_tf.layers.base import register, sizes


@register
class Resize(keras.layers.Layer):
    """Bilinear resizing to another map's size: [(N, h, w, C), (N, H, W, ...)] -> (N, H, W, C).

    torch.nn.functional.interpolate with align_corners=False, which is a function there and no module.
    """

    traced_as = "interpolate"

    def __init__(self, **base: Any) -> None:
        super().__init__(autocast=False, **base)  # logits stay float32

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        x, like = inputs
        return resize_bilinear(x, sizes(like)[1:3])

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        own, like = input_shape
        return (own[0], *like[1:3], own[-1])


@register
class ResizeNearest(keras.layers.Layer):
    """Resizing to another map's size by the nearest pixel: [(N, h, w, C), (N, H, W, ...)] -> (N, H, W, C)."""

    traced_as = "interpolate"

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        x, like = inputs
        for axis in (1, 2):
            x = stretched(x, axis, sizes(x)[axis], sizes(like)[axis])
        return x

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        own, like = input_shape
        return (own[0], *like[1:3], own[-1])


def stretched(x: tf.Tensor, axis: int, old: Any, new: Any) -> tf.Tensor:
    """Return maps (N, H, W, C) at another height or width, by the hub's places."""
    if not isinstance(old, int) or not isinstance(new, int):  # known only when the graph runs
        ratio = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
        places = tf.cast(tf.floor(tf.range(tf.cast(new, tf.float32)) * ratio), tf.int32)
        return tf.gather(x, tf.minimum(places, old - 1), axis=axis)
    if old == new:
        return x
    if new != 2 * old:
        return tf.gather(x, nearest_places(old, new), axis=axis)
    # twice the size: its gradient is a sum and no scatter
    shape = list(sizes(x))
    doubled = tf.stack([x, x], axis + 1)
    return tf.reshape(doubled, [*shape[:axis], new, *shape[axis + 1 :]])


def resize_bilinear(x: tf.Tensor, size: tuple[Any, Any]) -> tf.Tensor:
    """Return maps (N, h, w, C) at another size (H, W), by one product an axis: einsum takes two to five times as long.

    In float64 within 1e-14 of PyTorch's. bfloat16 is computed in float32.
    """
    exact = tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x
    _, height, width, channels = sizes(x)
    y = tf.matmul(weights(width, size[1], exact.dtype), exact)  # (N, h, W, C)
    y = tf.matmul(weights(height, size[0], exact.dtype), tf.reshape(y, [-1, height, size[1] * channels]))
    return tf.cast(tf.reshape(y, [-1, *size, channels]), x.dtype)


def weights(old: Any, new: Any, dtype: tf.DType) -> tf.Tensor:
    """Return the hub's weights; the same by TensorFlow where a size is known only when the graph runs."""
    if isinstance(old, int) and isinstance(new, int):
        return tf.constant(bilinear_weights(old, new), dtype)
    before, after = tf.cast(old, tf.float64), tf.cast(new, tf.float64)
    place = tf.clip_by_value((tf.range(after) + 0.5) * (before / after) - 0.5, 0, before - 1)
    return tf.cast(tf.maximum(tf.constant(0, tf.float64), 1 - tf.abs(place[:, None] - tf.range(before))), dtype)
