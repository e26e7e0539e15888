"""Swin Transformer, versions 1 and 2, a port of torchvision/models/swin_transformer.py. Shapes: ft/zoo.

Images may have any size: feature maps are padded to whole windows, and a map of one window's size is not shifted.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import swin_transformer as spec
from ft_tf.layers import (
    Conv2d,
    Gelu,
    LayerNorm,
    Linear,
    StochasticDepth,
    attend,
    register,
    relative_position_bias,
    sizes,
    split_heads,
    type_policy,
)

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
                attention = window_attention(heads, shape, shift=shape.window // 2 if index % 2 else 0)
                x = block(x, f"features.{2 * stage + 1}.{index}", attention, next(rates), shape.version)
        x = LayerNorm(name="norm")(x)
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, Linear(num_classes, name="head")(x), name=name)


Branch = Callable[[KerasTensor, str], KerasTensor]


def block(x: KerasTensor, path: str, attention: Branch, rate: float, version: int) -> KerasTensor:
    """Attention, then a two-layer perceptron, each beside the identity; version 2 normalises after, not before."""
    for index, (name, branch) in enumerate((("attn", attention), ("mlp", perceptron))):
        again = f".{index}" if index else ""
        norm = LayerNorm(name=f"{path}.norm{index + 1}")
        y = norm(branch(x, f"{path}.{name}")) if version == 2 else branch(norm(x), f"{path}.{name}")
        y = StochasticDepth(rate, name=f"{path}.stochastic_depth{again}")(y)
        x = keras.layers.Add(name=f"{path}.add{again}")([x, y])
    return x


def perceptron(x: KerasTensor, path: str) -> KerasTensor:
    """Two linear layers, four times as wide between them: (N, H, W, C) -> the same shape."""
    y = Linear(4 * x.shape[-1], name=f"{path}.0")(x)
    y = Gelu(name=f"{path}.1")(y)
    return Linear(x.shape[-1], name=f"{path}.3")(y)


def window_attention(heads: int, shape: spec.Shape, *, shift: int) -> Branch:
    """Return the attention of one block: (N, H, W, C) -> the same shape."""

    def attention(x: KerasTensor, path: str) -> KerasTensor:
        projection, table = (Linear, bias_table) if shape.version == 1 else (UnbiasedKeys, continuous_bias_table)
        y = ToWindows(shape.window, shift, name=f"{path}.to_windows")(x)
        y = projection(3 * x.shape[-1], name=f"{path}.qkv")(y)
        core = WindowAttention(heads, shape.window, shift, cosine=shape.version == 2, name=path)
        y = core([y, x, table(x, path, heads, shape.window)])
        y = Linear(x.shape[-1], name=f"{path}.proj")(y)
        return FromWindows(shape.window, shift, name=f"{path}.from_windows")([y, x])

    return attention


def bias_table(x: KerasTensor, path: str, heads: int, window: int) -> KerasTensor:
    """Return the learned bias of each relative position: (positions, heads)."""
    return BiasTable(heads, window, name=f"{path}.relative_position_bias_table")(x)


def continuous_bias_table(x: KerasTensor, path: str, heads: int, window: int) -> KerasTensor:
    """Return what a small network makes of each relative position: (1, offsets, offsets, heads)."""
    y = CoordsTable(window, name=f"{path}.relative_coords_table")(x)
    y = Linear(512, name=f"{path}.cpb_mlp.0")(y)
    y = keras.layers.ReLU(name=f"{path}.cpb_mlp.1")(y)
    return Linear(heads, bias=False, name=f"{path}.cpb_mlp.2")(y)


def patch_merging(x: KerasTensor, path: str, version: int) -> KerasTensor:
    """Halve the sides and double the channels: (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 2 * C)."""
    reduction = Linear(2 * x.shape[-1], bias=False, name=f"{path}.reduction")
    norm = LayerNorm(name=f"{path}.norm")
    x = Neighbours(name=f"{path}.neighbours")(x)
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


@register
class BiasTable(keras.layers.Layer):
    """A parameter that no module of its own holds: anything -> (positions, heads)."""

    def __init__(self, heads: int, window: int, **base: Any) -> None:
        super().__init__(**base)
        self.heads, self.window = heads, window

    def build(self, input_shape: tuple) -> None:
        self.table = self.add_weight(
            name="relative_position_bias_table",
            shape=((2 * self.window - 1) ** 2, self.heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.convert_to_tensor(self.table)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "window": self.window}


@register
class CoordsTable(keras.layers.Layer):
    """The constant input of the network that makes version 2's bias: anything -> (1, offsets, offsets, 2)."""

    def __init__(self, window: int, **base: Any) -> None:
        super().__init__(**base)
        self.window = window

    def build(self, input_shape: tuple) -> None:
        table = spec.relative_coords_table(self.window)
        self.table = self.add_weight(
            name="relative_coords_table",
            shape=table.shape,
            trainable=False,
            initializer=lambda shape, dtype: tf.constant(table, dtype),
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.convert_to_tensor(self.table)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}


@register
class UnbiasedKeys(Linear):
    """The joint projection of version 2: the bias has a place for the keys, which is not used."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        query, key, value = tf.split(self.bias, 3)
        return tf.tensordot(x, self.kernel, 1) + tf.concat([query, tf.zeros_like(key), value], 0)


class Windows(keras.layers.Layer):
    """What the layers around the windows share: how many windows a map has, and how far it is shifted."""

    def __init__(self, window: int, shift: int, **base: Any) -> None:
        super().__init__(**base)
        self.window, self.shift = window, shift

    def grid(self, x: tf.Tensor) -> tuple[list, list]:
        """Return the number of windows down and across that cover a map (N, H, W, C), and its shift either way."""
        counts = [-(-side // self.window) for side in sizes(x)[1:3]]
        return counts, [tf.where(count > 1, self.shift, 0) for count in counts]

    def cut(self, x: tf.Tensor, counts: list) -> tf.Tensor:
        """Cut a map of whole windows: (N, H, W, C) -> (N * windows, tokens, C)."""
        down, across = counts
        squares = tf.reshape(x, [-1, down, self.window, across, self.window, x.shape[-1]])
        return tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), [-1, self.window**2, x.shape[-1]])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window, "shift": self.shift}


@register
class ToWindows(Windows):
    """Pads a map to whole windows, shifts it and cuts it: (N, H, W, C) -> (N * windows, tokens, C)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, height, width, _ = sizes(x)
        counts, (down, across) = self.grid(x)
        x = tf.pad(x, [[0, 0], [0, -height % self.window], [0, -width % self.window], [0, 0]])
        return self.cut(tf.roll(x, [-down, -across], [1, 2]) if self.shift else x, counts)


@register
class FromWindows(Windows):
    """The way back: [(N * windows, tokens, C), the map that was cut (N, H, W, C)] -> (N, H, W, C)."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        y, x = inputs
        _, height, width, channels = sizes(x)
        (down, across), shift = self.grid(x)
        squares = tf.reshape(y, [-1, down, across, self.window, self.window, channels])
        whole = [-1, down * self.window, across * self.window, channels]
        y = tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), whole)
        return (tf.roll(y, shift, [1, 2]) if self.shift else y)[:, :height, :width]


@register
class WindowAttention(Windows):
    """Attention within each window, with a bias by relative position.

    [queries, keys, values side by side (N * windows, tokens, 3 * C), the map that was cut (N, H, W, C), bias table
    (..., heads)] -> (N * windows, tokens, C). `cosine`: scores are cosines times a learned scale, the bias is bounded.
    """

    def __init__(self, heads: int, window: int, shift: int, *, cosine: bool, **base: Any) -> None:
        super().__init__(window, shift, **base)
        self.heads, self.cosine = heads, cosine

    def build(self, input_shape: list[tuple]) -> None:
        index = spec.relative_position_index(self.window).reshape(-1)
        self.relative_position_index = self.add_weight(
            name="relative_position_index",
            shape=index.shape,
            dtype="int64",
            trainable=False,
            initializer=lambda shape, dtype: tf.constant(index, dtype),
        )
        if self.cosine:
            start = keras.initializers.Constant(math.log(10))
            self.logit_scale = self.add_weight(name="logit_scale", shape=(self.heads, 1, 1), initializer=start)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        qkv, x, table = inputs
        q, k, v = split_heads(qkv, self.heads)
        table = tf.reshape(table, [-1, self.heads])
        if self.cosine:
            # torch's normalize divides by at least 1e-12: padding has keys of length 0
            q, k = (tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24) for vectors in (q, k))
            q *= tf.exp(tf.minimum(tf.convert_to_tensor(self.logit_scale), LARGEST_SCALE))
            table = 16 * tf.sigmoid(table)
        else:
            q *= sizes(q)[-1] ** -0.5
        bias = relative_position_bias(table, self.relative_position_index, self.window**2)
        return attend(q, k, v, bias + self.shift_mask(x, bias.dtype) if self.shift else bias)

    def shift_mask(self, x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Return MASKED for each pair of tokens that are no neighbours, else 0: (windows, 1, tokens, tokens)."""
        counts, shift = self.grid(x)
        rows, columns = (self.regions(count * self.window, by) for count, by in zip(counts, shift, strict=True))
        regions = self.cut((3 * rows[:, None] + columns)[None, :, :, None], counts)
        apart = regions != tf.transpose(regions, [0, 2, 1])
        return tf.where(apart, tf.constant(MASKED, dtype), 0)[:, None]

    def regions(self, side: int | tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        """Return which part of the map each row is from: 0, or 1 and 2 in the last window, where the ends meet."""
        place = tf.range(side)
        return tf.cast(place >= side - self.window, tf.int32) + tf.cast(place >= side - shift, tf.int32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "cosine": self.cosine}
