"""Swin Transformer, versions 1 and 2, a port of torchvision/models/swin_transformer.py. Shapes: ft/zoo.

Images may have any size: feature maps are padded to whole windows, and a map of one window's size is not shifted.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import swin_transformer as spec
from ft_tf.layers import (
    Conv2d,
    ForLiteRT,
    Gelu,
    LayerNorm,
    Linear,
    SameShape,
    StochasticDepth,
    add_table,
    attend,
    linear,
    register,
    relative_position_bias,
    roll,
    sizes,
    split_heads,
)
from ft_tf.precision import type_policy

Size = int | tf.Tensor  # of an axis: a number where it is known when the graph is made
MASKED = -100.0  # added to the score of two tokens that the shift has brought together
LARGEST_SCALE = math.log(100)


def swin_t(*, num_classes: int = 1000, stochastic_depth: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin-T: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_t", num_classes, stochastic_depth, dtype)


def swin_s(*, num_classes: int = 1000, stochastic_depth: float = 0.3, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin-S: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_s", num_classes, stochastic_depth, dtype)


def swin_b(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin-B: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_b", num_classes, stochastic_depth, dtype)


def swin_v2_t(*, num_classes: int = 1000, stochastic_depth: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin v2-T: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_v2_t", num_classes, stochastic_depth, dtype)


def swin_v2_s(*, num_classes: int = 1000, stochastic_depth: float = 0.3, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin v2-S: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_v2_s", num_classes, stochastic_depth, dtype)


def swin_v2_b(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Swin v2-B: images (N, H, W, 3) -> logits (N, num_classes)."""
    return swin("swin_v2_b", num_classes, stochastic_depth, dtype)


def swin(name: str, num_classes: int, stochastic_depth: float, dtype: str) -> keras.Model:
    """Return the Swin Transformer called `name`: patches, four stages, each entered by a merging, and a head."""
    shape = spec.SHAPES[name]
    rates = iter(shape.rates(stochastic_depth))
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = Conv2d(shape.width, spec.PATCH, stride=spec.PATCH, name="features.0.0")(images)
        x = LayerNorm(name="features.0.2")(x)
        for stage, (depth, heads) in enumerate(zip(shape.depths, shape.heads, strict=True)):
            if stage > 0:
                x = patch_merging(x, f"features.{2 * stage}", shape.version)
            for index in range(depth):
                path, shift = f"features.{2 * stage + 1}.{index}", shape.window // 2 if index % 2 else 0
                attention = ATTENTION[shape.version](heads, shape.window, shift, name=f"{path}.attn")
                x = block(x, path, attention, next(rates), shape.version)
        x = LayerNorm(name="norm")(x)
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = keras.layers.Identity(name="flatten")(x)
        return keras.Model(images, Linear(num_classes, name="head")(x), name=name)


def block(x: KerasTensor, path: str, attention: keras.layers.Layer, rate: float, version: int) -> KerasTensor:
    """Attention, then a two-layer perceptron, each beside the identity; version 2 normalises after, not before."""
    norm = LayerNorm(name=f"{path}.norm1")
    y = norm(attention(x)) if version == 2 else attention(norm(x))
    y = StochasticDepth(rate, name=f"{path}.stochastic_depth")(y)
    x = keras.layers.Add(name=f"{path}.add")([x, y])
    norm = LayerNorm(name=f"{path}.norm2")
    y = norm(perceptron(x, f"{path}.mlp")) if version == 2 else perceptron(norm(x), f"{path}.mlp")
    y = StochasticDepth(rate, name=f"{path}.stochastic_depth.1")(y)
    return keras.layers.Add(name=f"{path}.add.1")([x, y])


def perceptron(x: KerasTensor, path: str) -> KerasTensor:
    """Two linear layers, four times as wide between them: (N, H, W, C) -> the same shape."""
    y = Linear(4 * x.shape[-1], name=f"{path}.0")(x)
    y = Gelu(name=f"{path}.1")(y)
    return Linear(x.shape[-1], name=f"{path}.3")(y)


def patch_merging(x: KerasTensor, path: str, version: int) -> KerasTensor:
    """Halve the sides and double the channels: (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 2 * C)."""
    reduction = Linear(2 * x.shape[-1], bias=False, name=f"{path}.reduction")
    norm = LayerNorm(name=f"{path}.norm")
    x = Neighbours(name=f"{path}.cat")(x)
    return norm(reduction(x)) if version == 2 else reduction(norm(x))


@register
class Neighbours(keras.layers.Layer):
    """Each 2 x 2 square as one token, odd sides padded: (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 4 * C)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, height, width, channels = sizes(x)
        x = tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
        height, width = (height + 1) // 2, (width + 1) // 2
        squares = tf.reshape(x, [-1, height, 2, width, 2, channels])
        columns_first = tf.transpose(squares, [0, 1, 3, 4, 2, 5])
        return tf.reshape(columns_first, [-1, height, width, 4 * channels])


class WindowAttention(ForLiteRT, SameShape):
    """Attention within windows, `shift` tokens down and right of the first: (N, H, W, C) -> the same shape.

    The two versions below differ in how tokens are scored. Weights have torch's layout and names.
    """

    def __init__(self, heads: int, window: int, shift: int, **base: Any) -> None:
        super().__init__(**base)
        self.heads, self.window, self.shift = heads, window, shift

    def build(self, input_shape: tuple) -> None:
        width = input_shape[-1]
        self.qkv_weight = self.add_weight(name="qkv.weight", shape=(3 * width, width))
        self.qkv_bias = self.add_weight(name="qkv.bias", shape=(3 * width,), initializer="zeros")
        self.proj_weight = self.add_weight(name="proj.weight", shape=(width, width))
        self.proj_bias = self.add_weight(name="proj.bias", shape=(width,), initializer="zeros")
        self.index = add_table(self, "relative_position_index", spec.relative_position_index(self.window).reshape(-1))
        self.build_scores()

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, height, width, _ = sizes(x)
        counts = [-(-side // self.window) for side in (height, width)]
        # a map that is one window high or wide is not shifted that way
        shift = [tf.where(count > 1, self.shift, 0) for count in counts]
        x = tf.pad(x, [[0, 0], [0, -height % self.window], [0, -width % self.window], [0, 0]])
        x = self.rolled(x, [-by for by in shift]) if self.shift else x
        y = joined(self.attention(cut(x, self.window, counts), counts, shift), self.window, counts)
        return (self.rolled(y, shift) if self.shift else y)[:, :height, :width]

    def rolled(self, x: tf.Tensor, shift: list[tf.Tensor]) -> tf.Tensor:
        """Return a map whose rows and columns have moved."""
        return roll(x, shift, [1, 2], gather=self.for_litert)

    def attention(self, x: tf.Tensor, counts: Sequence[Size], shift: Sequence[Size]) -> tf.Tensor:
        """Let the tokens of each window attend to each other: (N * windows, tokens, C) -> the same shape."""
        q, k, v = split_heads(linear(x, self.qkv_weight, self.used_bias()), self.heads)
        bias = relative_position_bias(self.bias_table(), self.index, self.window**2)
        if self.shift:
            bias += tf.cast(shift_mask(self.window, counts, shift), bias.dtype)
        return linear(attend(*self.scaled(q, k), v, bias), self.proj_weight, self.proj_bias)

    def build_scores(self) -> None:
        """Make the version's own weights."""
        raise NotImplementedError

    def used_bias(self) -> tf.Tensor:
        """Return the bias of queries, keys and values: (3 * C,)."""
        raise NotImplementedError

    def bias_table(self) -> tf.Tensor:
        """Return what is added to the scores by relative position: (positions, heads)."""
        raise NotImplementedError

    def scaled(self, q: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return queries and keys whose products are the scores."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "window": self.window, "shift": self.shift}


@register
class WindowAttentionV1(WindowAttention):
    """Scores are scaled products; the bias by relative position is a parameter."""

    def build_scores(self) -> None:
        shape = ((2 * self.window - 1) ** 2, self.heads)
        start = keras.initializers.TruncatedNormal(stddev=0.02)
        self.table = self.add_weight(name="relative_position_bias_table", shape=shape, initializer=start)

    def used_bias(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.qkv_bias)

    def bias_table(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.table)

    def scaled(self, q: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return q * sizes(q)[-1] ** -0.5, k


@register
class WindowAttentionV2(WindowAttention):
    """Scores are scaled cosines; a small network makes their bias of the relative position."""

    def build_scores(self) -> None:
        start = keras.initializers.Constant(math.log(10))
        self.logit_scale = self.add_weight(name="logit_scale", shape=(self.heads, 1, 1), initializer=start)
        self.coords = add_table(self, "relative_coords_table", spec.relative_coords_table(self.window))
        self.weight_0 = self.add_weight(name="cpb_mlp.0.weight", shape=(spec.POSITION_FEATURES, 2))
        self.bias_0 = self.add_weight(name="cpb_mlp.0.bias", shape=(spec.POSITION_FEATURES,), initializer="zeros")
        self.weight_2 = self.add_weight(name="cpb_mlp.2.weight", shape=(self.heads, spec.POSITION_FEATURES))

    def used_bias(self) -> tf.Tensor:
        query, key, value = tf.split(self.qkv_bias, 3)
        return tf.concat([query, tf.zeros_like(key), value], 0)  # the place for a bias of the keys is not used

    def bias_table(self) -> tf.Tensor:
        coords = tf.reshape(self.coords, [-1, 2])
        features = tf.nn.relu(linear(coords, self.weight_0, self.bias_0))
        return 16 * tf.sigmoid(linear(features, self.weight_2))

    def scaled(self, q: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # torch's normalize divides by at least 1e-12: padding has keys of length 0
        q, k = (tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24) for vectors in (q, k))
        return q * tf.exp(tf.minimum(tf.convert_to_tensor(self.logit_scale), LARGEST_SCALE)), k


ATTENTION = {1: WindowAttentionV1, 2: WindowAttentionV2}


def cut(x: tf.Tensor, window: int, counts: Sequence[Size]) -> tf.Tensor:
    """Cut a map of whole windows: (N, H, W, C) -> (N * windows, tokens, C)."""
    down, across = counts
    squares = tf.reshape(x, [-1, down, window, across, window, x.shape[-1]])
    return tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), [-1, window**2, x.shape[-1]])


def joined(x: tf.Tensor, window: int, counts: Sequence[Size]) -> tf.Tensor:
    """Put windows together to the map that was cut: (N * windows, tokens, C) -> (N, H, W, C)."""
    down, across = counts
    squares = tf.transpose(tf.reshape(x, [-1, down, across, window, window, x.shape[-1]]), [0, 1, 3, 2, 4, 5])
    return tf.reshape(squares, [-1, down * window, across * window, x.shape[-1]])


def shift_mask(window: int, counts: Sequence[Size], shift: Sequence[Size]) -> tf.Tensor:
    """Return MASKED for two tokens that only the shift has brought together, else 0: (windows, 1, tokens, tokens)."""
    rows, columns = (regions(count * window, window, by) for count, by in zip(counts, shift, strict=True))
    region = cut((3 * rows[:, None] + columns)[None, :, :, None], window, counts)
    return tf.where(region != tf.transpose(region, [0, 2, 1]), MASKED, 0.0)[:, None]


def regions(side: Size, window: int, shift: Size) -> tf.Tensor:
    """Return which part of the map each row is from: 0, or 1 and 2 in the last window, where its two ends meet."""
    place = tf.range(side)
    return tf.cast(place >= side - window, tf.int32) + tf.cast(place >= side - shift, tf.int32)
