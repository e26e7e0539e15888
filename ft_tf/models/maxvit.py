"""MaxViT, a port of torchvision/models/maxvit.py. Shape: ft/zoo/maxvit.py."""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import maxvit as spec
from ft.zoo.swin_transformer import relative_position_index
from ft_tf.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Gelu,
    LayerNorm,
    Linear,
    StochasticDepth,
    add_table,
    attend,
    conv_norm_activation,
    register,
    relative_position_bias,
    sizes,
    split_heads,
    squeeze_excitation,
)
from ft_tf.precision import type_policy


def maxvit_t(
    *, num_classes: int = 1000, stochastic_depth: float = 0.2, image_size: int = 224, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's MaxViT-T: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    rates = iter(spec.rates(stochastic_depth))
    with type_policy(dtype):
        images = keras.Input((image_size, image_size, 3), dtype=dtype, name="images")
        x = conv_norm_gelu(images, "stem.0", spec.STEM, 3, stride=2)
        x = Conv2d(spec.STEM, 3, padding=1, name="stem.1.0")(x)
        for block, (channels, depth) in enumerate(zip(spec.CHANNELS, spec.DEPTHS, strict=True)):
            for layer in range(depth):
                path, rate = f"blocks.{block}.layers.{layer}.layers", next(rates)
                x = inverted_residual(x, f"{path}.MBconv", channels, 1 if layer else 2, rate)
                x = partition_attention(x, f"{path}.window_attention", "window", rate)
                x = partition_attention(x, f"{path}.grid_attention", "grid", rate)
        x = keras.layers.GlobalAveragePooling2D(name="classifier.0")(x)
        x = keras.layers.Identity(name="classifier.1")(x)  # where torchvision flattens
        x = LayerNorm(name="classifier.2")(x)
        x = Linear(spec.CHANNELS[-1], name="classifier.3")(x)
        x = keras.layers.Activation("tanh", name="classifier.4")(x)
        return keras.Model(images, Linear(num_classes, bias=False, name="classifier.5")(x), name="maxvit_t")


def conv_norm_gelu(
    x: KerasTensor, path: str, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and GELU, `path`.0 to `path`.2."""
    x = conv_norm_activation(
        x, path, channels, kernel, stride=stride, groups=groups, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM
    )
    return Gelu(name=f"{path}.2")(x)


def inverted_residual(x: KerasTensor, path: str, channels: int, stride: int, rate: float) -> KerasTensor:
    """Normalise, expand (1x1), filter each channel (depthwise), squeeze and excite, project (1x1); add the input."""
    wide = 4 * channels
    y = BatchNorm2d(eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM, name=f"{path}.layers.pre_norm")(x)
    y = conv_norm_gelu(y, f"{path}.layers.conv_a", wide, 1)
    y = conv_norm_gelu(y, f"{path}.layers.conv_b", wide, 3, stride=stride, groups=wide)
    y = squeeze_excitation(y, f"{path}.layers.squeeze_excitation", channels // 4, activation="silu")
    y = Conv2d(channels, 1, name=f"{path}.layers.conv_c")(y)
    y = StochasticDepth(rate, name=f"{path}.stochastic_depth")(y)
    if stride == 2:
        x = AvgPool2d(3, stride=2, padding=1, name=f"{path}.proj.0")(x)
        x = Conv2d(channels, 1, name=f"{path}.proj.1")(x)
    return keras.layers.Add(name=f"{path}.add")([x, y])


def partition_attention(x: KerasTensor, path: str, kind: str, rate: float) -> KerasTensor:
    """Attention among the tokens of each group, then a two-layer perceptron, each beside the identity."""
    side, channels = x.shape[1], x.shape[3]
    size = spec.WINDOW if kind == "window" else side // spec.WINDOW
    x = Partition(size, name=f"{path}.partition_op")(x)
    x = x if kind == "window" else keras.layers.Permute((2, 1, 3), name=f"{path}.partition_swap")(x)
    y = LayerNorm(name=f"{path}.attn_layer.0")(x)
    y = relative_attention(y, f"{path}.attn_layer.1")
    y = StochasticDepth(rate, name=f"{path}.stochastic_dropout")(y)
    x = keras.layers.Add(name=f"{path}.add")([x, y])
    y = LayerNorm(name=f"{path}.mlp_layer.0")(x)
    y = Linear(4 * channels, name=f"{path}.mlp_layer.1")(y)
    y = Gelu(name=f"{path}.mlp_layer.2")(y)
    y = Linear(channels, name=f"{path}.mlp_layer.3")(y)
    y = StochasticDepth(rate, name=f"{path}.stochastic_dropout.1")(y)
    x = keras.layers.Add(name=f"{path}.add.1")([x, y])
    x = x if kind == "window" else keras.layers.Permute((2, 1, 3), name=f"{path}.departition_swap")(x)
    return Departition(size, name=f"{path}.departition_op")(x)


def relative_attention(x: KerasTensor, path: str) -> KerasTensor:
    """Attention with a bias by relative position: (N, groups, tokens, C) -> the same shape."""
    channels = x.shape[-1]
    y = Linear(3 * channels, name=f"{path}.to_qkv")(x)
    y = RelativeAttention(channels // spec.HEAD_CHANNELS, name=path)(y)
    return Linear(channels, name=f"{path}.merge")(y)


@register
class Partition(keras.layers.Layer):
    """Cut a square map into squares of `size` x `size` tokens: (N, H, H, C) -> (N, squares, tokens, C)."""

    traced_axes = "NGTC"

    def __init__(self, size: int, **base: Any) -> None:
        super().__init__(**base)
        self.size = size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, side, _, channels = sizes(x)
        count = side // self.size
        squares = tf.reshape(x, [-1, count, self.size, count, self.size, channels])
        return tf.reshape(tf.transpose(squares, [0, 1, 3, 2, 4, 5]), [-1, count**2, self.size**2, channels])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@register
class Departition(keras.layers.Layer):
    """The way back: (N, squares, tokens, C) -> (N, H, H, C)."""

    traced_axes = "NHWC"

    def __init__(self, size: int, **base: Any) -> None:
        super().__init__(**base)
        self.size = size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, squares, _, channels = sizes(x)
        count = math.isqrt(squares)
        x = tf.reshape(x, [-1, count, count, self.size, self.size, channels])
        return tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [-1, count * self.size, count * self.size, channels])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@register
class RelativeAttention(keras.layers.Layer):
    """The attention itself: queries, keys and values side by side (N, groups, tokens, 3 * C) -> (N, groups, tokens, C).

    Scores are scaled by the root of all channels, not of a head's.
    """

    traced_as = ""  # between the linear layers, as in torchvision

    def __init__(self, heads: int, **base: Any) -> None:
        super().__init__(**base)
        self.heads = heads

    def build(self, input_shape: tuple) -> None:
        self.index = add_table(self, "relative_position_index", relative_position_index(spec.WINDOW))
        self.table = self.add_weight(
            name="relative_position_bias_table",
            shape=((2 * spec.WINDOW - 1) ** 2, self.heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, qkv: tf.Tensor) -> tf.Tensor:
        _, groups, tokens, width = sizes(qkv)
        q, k, v = split_heads(tf.reshape(qkv, [-1, tokens, width]), self.heads)
        bias = relative_position_bias(tf.convert_to_tensor(self.table), tf.reshape(self.index, [-1]), tokens)
        y = attend(q, k * (width // 3) ** -0.5, v, bias)
        return tf.reshape(y, [-1, groups, tokens, width // 3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}
