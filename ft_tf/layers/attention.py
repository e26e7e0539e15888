"""What the transformers share: attention by heads, and the bias by relative position."""

import keras
import numpy as np
import tensorflow as tf

from ft_tf.layers.base import sizes


def add_table(layer: keras.layers.Layer, name: str, table: np.ndarray) -> keras.Variable:
    """Give a layer a variable that holds a table and never trains; integers keep their type."""
    return layer.add_weight(
        name=name,
        shape=table.shape,
        dtype=table.dtype.name if table.dtype.kind == "i" else None,
        trainable=False,
        initializer=lambda shape, dtype: tf.constant(table, dtype),
    )


def roll(x: tf.Tensor, shift: list[tf.Tensor], axes: list[int], *, gather: bool = False) -> tf.Tensor:
    """Return what tf.roll does: elements move by `shift` along each axis, and come in again at the other end."""
    if not gather:
        return tf.roll(x, shift, axes)
    for by, axis in zip(shift, axes, strict=True):
        size = sizes(x)[axis]
        x = tf.gather(x, tf.math.floormod(tf.range(size) - by, size), axis=axis)
    return x


def split_heads(qkv: tf.Tensor, heads: int) -> list[tf.Tensor]:
    """Return queries, keys and values: (N, tokens, 3 * C) -> three of (N, heads, tokens, C / heads)."""
    _, tokens, width = sizes(qkv)
    return tf.unstack(tf.transpose(tf.reshape(qkv, [-1, tokens, 3, heads, width // 3 // heads]), [2, 0, 3, 1, 4]))


def attend(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Return softmax(q k^T + bias) v, the heads side by side: (N, heads, tokens, C / heads) -> (N, tokens, C).

    bias: (windows, heads, tokens, tokens); the windows of an image follow one another along the first axis of q, k, v.
    """
    _, heads, tokens, features = sizes(q)
    scores = tf.matmul(q, k, transpose_b=True)
    if bias is not None:
        windows = tf.reshape(scores, [-1, tf.shape(bias)[0], heads, tokens, tokens])
        scores = tf.reshape(windows + bias, [-1, heads, tokens, tokens])
    y = tf.matmul(tf.nn.softmax(scores), v)
    return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [-1, tokens, heads * features])


def relative_position_bias(table: tf.Tensor, index: tf.Tensor, tokens: int) -> tf.Tensor:
    """Return what is added to each pair's score: (positions, heads), (tokens^2,) -> (1, heads, tokens, tokens)."""
    # along the last axis, for a gather along the first has a sparse gradient
    return tf.reshape(tf.gather(tf.transpose(table), index, axis=1), [1, -1, tokens, tokens])
