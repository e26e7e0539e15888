"""Convolutions and products with PyTorch's padding, and the blocks that torchvision builds of them."""

from functools import cache
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft_tf.layers.base import register, sizes
from ft_tf.layers.dilation import dilated_conv2d, spread
from ft_tf.layers.norm import batch_norm


@register
class Conv2d(keras.layers.Layer):
    """Convolution with explicit padding alike on both sides, or TensorFlow's "same": (N, H, W, C) -> (N, H', W', O).

    keras.layers.Conv2D knows "valid" and "same" only, and "same" pads a strided convolution more at the end. Grouped
    convolutions go to tf.nn directly: Keras sends them through XLA on a CPU, whose gradient is 500 times slower.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | str = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.filters, self.kernel_size, self.stride = filters, pair(kernel_size), stride
        self.padding, self.groups, self.use_bias, self.dilation = padding, groups, bias, dilation
        self.reach = tuple(dilation * (size - 1) + 1 for size in self.kernel_size)

    def build(self, input_shape: tuple) -> None:
        channels = input_shape[-1]
        self.depthwise = self.groups == channels == self.filters and channels > 1
        inner = (channels, 1) if self.depthwise else (channels // self.groups, self.filters)
        shape = (*self.kernel_size, *inner)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_uniform")
        self.kernel.layout = "depthwise" if self.depthwise else "conv"
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        plain = tf.nn.conv2d if self.groups == 1 else grouped_conv2d
        convolve = depthwise_conv2d if self.depthwise else plain
        kernel = tf.convert_to_tensor(self.kernel)
        x, padding = self.padded(x)
        if self.dilation > 1 and self.stride == 1:
            y = dilated_conv2d(convolve, x, kernel, self.dilation, padding)
        else:
            y = convolve(x, spread(kernel, self.dilation), [1, self.stride, self.stride, 1], padding)
        return y if self.bias is None else y + self.bias

    def padded(self, x: tf.Tensor) -> tuple[tf.Tensor, str]:
        """Return images and the padding that the convolution still has to add to them.

        Not an explicit one: oneDNN's kernels know none in their gradients, and TensorFlow's own are slow, in bfloat16
        very.
        """
        explicit = explicit_padding(self.padding)
        if isinstance(explicit, str):
            return x, explicit
        alike = all(2 * side == reach - 1 for side, reach in zip(pair(self.padding), self.reach, strict=True))
        return (x, "SAME") if self.stride == 1 and alike else (tf.pad(x, explicit), "VALID")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        images, *sides, _ = input_shape
        if self.padding == "same":
            return (images, *(window_count(side, 1, self.stride) for side in sides), self.filters)
        padding = pair(0 if isinstance(self.padding, str) else self.padding)
        counts = map(window_count, sides, self.reach, (self.stride, self.stride), padding)
        return (images, *counts, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "groups": self.groups,
            "bias": self.use_bias,
            "dilation": self.dilation,
        }


@register
class ConvTranspose2d(keras.layers.Layer):
    """Transposed convolution that makes maps `stride` times as large: (N, H, W, C) -> (N, sH, sW, O).

    kernel_size: as much above the stride as it is even, so that torch's padding of half of that is TensorFlow's "same".
    """

    def __init__(self, filters: int, kernel_size: int, *, stride: int, **base: Any) -> None:
        super().__init__(**base)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride

    def build(self, input_shape: tuple) -> None:
        shape = (self.kernel_size, self.kernel_size, self.filters, input_shape[-1])
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="he_uniform")
        self.kernel.layout = "conv"
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        images, height, width, _ = sizes(x)
        shape = tf.stack([images, height * self.stride, width * self.stride, self.filters])
        return tf.nn.conv2d_transpose(x, tf.convert_to_tensor(self.kernel), shape, self.stride, "SAME") + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        images, *sides, _ = input_shape
        return (images, *(None if side is None else side * self.stride for side in sides), self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "stride": self.stride}
        return {**super().get_config(), **own}


def window_count(side: int | None, window: int, stride: int, padding: int = 0) -> int | None:
    """Return how many windows fit into an axis padded at both ends, `stride` apart; None where the side is unknown."""
    return None if side is None else (side + 2 * padding - window) // stride + 1


def depthwise_conv2d(x: tf.Tensor, kernel: tf.Tensor, strides: list[int], padding: str) -> tf.Tensor:
    """Convolve each channel with its own filter. In bfloat16 TensorFlow's kernel would even add up in that type."""
    exact = tf.float32 if x.dtype == tf.bfloat16 else x.dtype
    y = tf.compat.v1.nn.depthwise_conv2d_native(tf.cast(x, exact), tf.cast(kernel, exact), strides, padding)
    return tf.cast(y, x.dtype)


def grouped_conv2d(x: tf.Tensor, kernel: tf.Tensor, strides: list[int], padding: str) -> tf.Tensor:
    """Convolve each group of channels with its own filters, as tf.nn.conv2d does, but with gradients on every device.

    Where TensorFlow has no gradient, each group is a convolution of its own.
    """
    if differentiates_groups(x.dtype.name):
        return tf.nn.conv2d(x, kernel, strides, padding)
    groups = sizes(x)[3] // sizes(kernel)[2]
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    return tf.concat([tf.nn.conv2d(part, filters, strides, padding) for part, filters in parts], axis=-1)


@cache
def differentiates_groups(dtype: str) -> bool:
    """Tell, by trying, whether TensorFlow has gradients of grouped convolutions here.

    cuDNN has them, oneDNN has them up to float32, and TensorFlow's own CPU kernels have none.
    """
    with tf.init_scope():  # at once, even while a graph is traced
        y, kernel = tf.zeros((1, 2, 2, 4), dtype), tf.zeros((3, 3, 2, 4), dtype)
        try:
            tf.nn.conv2d_transpose(y, kernel, (1, 4, 4, 4), 1, "VALID")  # the gradient of a convolution's input
        except tf.errors.InvalidArgumentError:
            return False
    return True


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a window that may be given by one number."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def explicit_padding(padding: int | tuple[int, int] | str) -> str | list[list[int]]:
    """Return padding as tf.nn's functions take it; "VALID" for none, which has the quicker kernels."""
    if isinstance(padding, str):
        return padding.upper()
    height, width = pair(padding)
    return [[0, 0], [height, height], [width, width], [0, 0]] if height or width else "VALID"


@register
class Linear(keras.layers.Layer):
    """Dense layer without activation over the last axis: (..., F) -> (..., units)."""

    def __init__(self, units: int, *, bias: bool = True, **base: Any) -> None:
        super().__init__(**base)
        self.units, self.use_bias = units, bias

    def build(self, input_shape: tuple) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
        self.kernel.layout = "linear"
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros") if self.use_bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = tf.tensordot(x, self.kernel, 1)  # one product; tf.matmul would make a kernel's gradient for each sample
        return y if self.bias is None else y + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "bias": self.use_bias}


def linear(x: tf.Tensor, weight: keras.Variable, bias: keras.Variable | tf.Tensor | None = None) -> tf.Tensor:
    """Return what torch.nn.functional.linear does: x (..., in), weight (out, in) -> (..., out)."""
    *rows, features = sizes(x)
    y = tf.matmul(tf.reshape(x, [-1, features]), weight, transpose_b=True)
    y = y if bias is None else y + bias
    return tf.reshape(y, [*rows, weight.shape[0]])


def conv_norm_activation(
    x: KerasTensor,
    path: str,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    eps: float = 1e-5,
    momentum: float = 0.1,
    activation: str | None = None,
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and an activation, if any: `path`.0 to `path`.2.

    (N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), filters). Source: torchvision/ops/misc.py.
    """
    window = {"stride": stride, "padding": (kernel_size - 1) // 2 * dilation, "dilation": dilation}
    x = Conv2d(filters, kernel_size, **window, groups=groups, bias=False, name=f"{path}.0")(x)
    x = batch_norm(eps=eps, momentum=momentum, name=f"{path}.1")(x)
    return x if activation is None else keras.layers.Activation(activation, name=f"{path}.2")(x)


def squeeze_excitation(
    x: KerasTensor, path: str, squeezed: int, *, activation: str = "relu", scale_activation: str = "sigmoid"
) -> KerasTensor:
    """Scale each channel by what two 1x1 convolutions make of all channels' means: (N, H, W, C) -> the same shape.

    squeezed: channels between the two. Source: Hu et al., CVPR 2018; torchvision/ops/misc.py.
    """
    scale = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{path}.avgpool")(x)
    scale = Conv2d(squeezed, 1, name=f"{path}.fc1")(scale)
    scale = keras.layers.Activation(activation, name=f"{path}.activation")(scale)
    scale = Conv2d(x.shape[-1], 1, name=f"{path}.fc2")(scale)
    scale = keras.layers.Activation(scale_activation, name=f"{path}.scale_activation")(scale)
    return keras.layers.Multiply(name=f"{path}.mul")([scale, x])
