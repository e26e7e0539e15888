"""The layers with which Keras speaks torchvision's semantics: names, layouts, padding, BatchNorm, noise.

Activations are N, H, W, C here (TensorFlow's CPU kernels know nothing else); weights keep TensorFlow's layouts, and
each variable says by its `layout` how it becomes the canonical tensor. A layer bears its torchvision module path.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor

from ft.noise import GOLDEN, MIX1, MIX2, UNIFORM_BITS, keep_threshold, layer_key

KERAS_DROPOUT = (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)

register = keras.saving.register_keras_serializable("ft_tf")


class SameShape(keras.layers.Layer):
    """A layer whose output has its input's shape: told so, Keras need not trace the layer to find out."""

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


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
        strides = [1, self.stride, self.stride, 1]
        kernel = dilated(tf.convert_to_tensor(self.kernel), self.dilation)
        x, padding = self.padded(x)
        y = convolve(x, kernel, strides, padding)
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


def window_count(side: int | None, window: int, stride: int, padding: int = 0) -> int | None:
    """Return how many windows fit into an axis padded at both ends, `stride` apart; None where the side is unknown."""
    return None if side is None else (side + 2 * padding - window) // stride + 1


def depthwise_conv2d(x: tf.Tensor, kernel: tf.Tensor, strides: list[int], padding: str) -> tf.Tensor:
    """Convolve each channel with its own filter. In bfloat16 TensorFlow's kernel would even add up in that type."""
    exact = tf.float32 if x.dtype == tf.bfloat16 else x.dtype
    y = tf.compat.v1.nn.depthwise_conv2d_native(tf.cast(x, exact), tf.cast(kernel, exact), strides, padding)
    return tf.cast(y, x.dtype)


def dilated(kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Return a kernel (H, W, ...) with dilation - 1 zeros between its rows and columns.

    TensorFlow's CPU kernels have no gradients of dilated convolutions; one with such a kernel is the same.
    """
    if dilation == 1:
        return kernel
    height, width, *channels = (int(size) for size in kernel.shape)
    between = [[0, 0], [0, dilation - 1], [0, 0], [0, dilation - 1], [0, 0], [0, 0]]
    spread = tf.reshape(tf.pad(kernel[:, None, :, None], between), [height * dilation, width * dilation, *channels])
    return spread[: (height - 1) * dilation + 1, : (width - 1) * dilation + 1]


@register
class BatchNorm2d(SameShape):
    """BatchNorm with PyTorch's statistics: (N, H, W, C), or (N, C) in a head -> the same shape.

    Keras keeps the biased variance of a batch, PyTorch the unbiased one; momentum means the share of the new value here
    (0.1) and of the old one there (0.99); eps is 1e-5 here and 1e-3 there. `frozen` makes the layer run in inference
    mode inside a training step, as a frozen stage does.
    """

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
        y, mean, unbiased = self.fused(x) if fused else self.in_steps(x)
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
class MaxPool2d(keras.layers.Layer):
    """Max pooling with explicit padding by minus infinity: (N, H, W, C) -> (N, H', W', C).

    With `ceil_mode` a last window that lies partly outside of the image counts as well; TensorFlow knows no such mode.
    """

    def __init__(
        self, kernel_size: int, *, stride: int, padding: int = 0, ceil_mode: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if not self.ceil_mode:
            padding = explicit_padding(self.padding)
            if _for_litert and padding != "VALID":
                x, padding = tf.pad(x, padding, constant_values=x.dtype.min), "VALID"
            return tf.nn.max_pool2d(x, self.kernel_size, self.stride, padding)
        before = tf.constant([self.padding, self.padding])
        # what the last window lacks; a window that would begin in the padding does not count
        lacking = tf.math.floormod(self.kernel_size - tf.shape(x)[1:3] - 2 * before, self.stride)
        after = before + tf.where(lacking < self.kernel_size - before, lacking, 0)
        padded = tf.pad(x, tf.pad(tf.stack([before, after], 1), [[1, 1], [0, 0]]), constant_values=x.dtype.min)
        padded.set_shape([None, None, None, x.shape[-1]])  # which a computed padding does not tell
        return tf.nn.max_pool2d(padded, self.kernel_size, self.stride, "VALID")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        images, *sides, channels = input_shape
        return (images, *(self.windows(side) for side in sides), channels)

    def windows(self, side: int | None) -> int | None:
        """Return how many windows there are along an axis."""
        if side is None or not self.ceil_mode:
            return window_count(side, self.kernel_size, self.stride, self.padding)
        count = -(-(side + 2 * self.padding - self.kernel_size) // self.stride) + 1
        return count - ((count - 1) * self.stride >= side + self.padding)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "ceil_mode": self.ceil_mode,
        }


_for_litert = False


@contextmanager
def litert_operators() -> Iterator[None]:
    """Trace layers into operators that LiteRT has built in: it knows neither padded max pooling nor roll."""
    global _for_litert
    before, _for_litert = _for_litert, True
    try:
        yield
    finally:
        _for_litert = before


def roll(x: tf.Tensor, shift: list[tf.Tensor], axes: list[int]) -> tf.Tensor:
    """Return what tf.roll does: elements move by `shift` along each axis, and come in again at the other end."""
    if not _for_litert:
        return tf.roll(x, shift, axes)
    for by, axis in zip(shift, axes, strict=True):
        size = sizes(x)[axis]
        x = tf.gather(x, tf.math.floormod(tf.range(size) - by, size), axis=axis)
    return x


@register
class AvgPool2d(keras.layers.Layer):
    """Average pooling, padding counted as zeros where TensorFlow leaves it out: (N, H, W, C) -> (N, H', W', C)."""

    def __init__(self, kernel_size: int, *, stride: int, padding: int = 0, **base: Any) -> None:
        super().__init__(**base)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.padding:
            x = tf.pad(x, explicit_padding(self.padding))
        return tf.nn.avg_pool2d(x, self.kernel_size, self.stride, "VALID")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        images, *sides, channels = input_shape
        counts = (window_count(side, self.kernel_size, self.stride, self.padding) for side in sides)
        return (images, *counts, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}


@register
class AdaptiveAvgPool2d(keras.layers.Layer):
    """Average pooling to a fixed output size, whatever the image's: (N, H, W, C) -> (N, size, size, C).

    Output i is the mean over the rows floor(i * H / size) to ceil((i + 1) * H / size), and so for columns. Keras has
    the global case only. The mean is a product with one small matrix an axis.
    """

    def __init__(self, output_size: int, **base: Any) -> None:
        super().__init__(**base)
        self.output_size = output_size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        rows, columns = (self.shares(tf.shape(x)[axis], x.dtype) for axis in (1, 2))
        return tf.einsum("ih,jw,nhwc->nijc", rows, columns, x)

    def shares(self, side: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Return (size, side): the share of each row or column in each output."""
        place, output = tf.range(side), tf.range(self.output_size)[:, None]
        first, end = output * side // self.output_size, -(-(output + 1) * side // self.output_size)
        inside = tf.cast((place >= first) & (place < end), dtype)
        return inside / tf.cast(end - first, dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.output_size, self.output_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_size": self.output_size}


@register
class Flatten(keras.layers.Layer):
    """Flatten in canonical order: (N, H, W, C) -> (N, C * H * W). Keras flattens in H, W, C order."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), self.compute_output_shape((-1, *x.shape[1:])))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        height, width, channels = input_shape[1:]
        return (input_shape[0], height * width * channels)


@register
class InlineFlatten(Flatten):
    """The same where torchvision's code calls a function for it, which is no node of a trace."""

    traced_as = ""


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


def conv_norm_activation(
    x: KerasTensor,
    path: str,
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
    momentum: float = 0.1,
    activation: str | None = None,
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and an activation, if any: `path`.0 to `path`.2.

    (N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), filters). Source: torchvision/ops/misc.py.
    """
    padding = (kernel_size - 1) // 2
    x = Conv2d(filters, kernel_size, stride=stride, padding=padding, groups=groups, bias=False, name=f"{path}.0")(x)
    x = BatchNorm2d(eps=eps, momentum=momentum, name=f"{path}.1")(x)
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
class Gelu(SameShape):
    """x * Phi(x) in its exact form, by erf; Keras's takes erfc, which is slower and has no ONNX operator."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return 0.5 * x * (1 + tf.math.erf(x * math.sqrt(0.5)))


def add_table(layer: keras.layers.Layer, name: str, table: np.ndarray) -> keras.Variable:
    """Give a layer a variable that holds a table and never trains; integers keep their type."""
    return layer.add_weight(
        name=name,
        shape=table.shape,
        dtype=table.dtype.name if table.dtype.kind == "i" else None,
        trainable=False,
        initializer=lambda shape, dtype: tf.constant(table, dtype),
    )


def sizes(x: tf.Tensor) -> tuple[Any, ...]:
    """Return the size of each axis: a number where it is known when the graph is made, else a scalar tensor."""
    return tuple(tf.shape(x)[axis] if size is None else size for axis, size in enumerate(x.shape))


def linear(x: tf.Tensor, weight: keras.Variable, bias: keras.Variable | tf.Tensor | None = None) -> tf.Tensor:
    """Return what torch.nn.functional.linear does: x (..., in), weight (out, in) -> (..., out)."""
    *rows, features = sizes(x)
    y = tf.matmul(tf.reshape(x, [-1, features]), weight, transpose_b=True)
    y = y if bias is None else y + bias
    return tf.reshape(y, [*rows, weight.shape[0]])


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


@register
class WithAuxiliary(keras.Model):
    """A network whose first output is the logits and whose others are those of auxiliary heads.

    It returns all of them in training and the logits alone in inference, as torchvision's GoogLeNet and Inception do;
    the auxiliary heads are not even computed then. `frozen` makes it return the logits alone in training as well.
    """

    frozen = False

    @cached_property
    def main(self) -> keras.Model:
        """The same layers without the auxiliary heads; in a cached property Keras does not count them twice."""
        return keras.Model(self.inputs, self.outputs[0], name=self.name)

    def call(self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None) -> Any:
        if training and not self.frozen:
            return super().call(inputs, training=training, mask=mask)
        return self.main(inputs, training=training, mask=mask)

    def compute_output_spec(self, inputs: KerasTensor, training: bool = False, mask: Any = None) -> KerasTensor:
        return self.main.compute_output_spec(inputs, training=training, mask=mask)


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


class Noise(SameShape):
    """What Dropout and StochasticDepth share: a rate, a key, and the clock that a training step sets.

    Keras's own layers draw from a stateful seed generator, so their masks cannot equal another framework's. Inside
    `noise(...)` these layers compute SplitMix64 (ft/noise.py) from the step instead; outside of it, in a user's own
    loop or `fit`, they draw as Keras's layers do.
    """

    def __init__(self, p: float, **base: Any) -> None:
        super().__init__(**base)
        self.p, self.key, self.frozen = p, 0, False

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.frozen or self.p == 0:
            return x
        if _clock is None:
            return keras.random.dropout(x, self.p, noise_shape=self.mask_shape(x))
        return x * tf.cast(self.keep(x, _clock), x.dtype) * (1 / (1 - self.p))

    def mask_shape(self, x: tf.Tensor) -> tf.Tensor:
        """Return the shape of the mask for `x`, broadcast to it."""
        raise NotImplementedError

    def keep(self, x: tf.Tensor, clock: tf.Tensor) -> tf.Tensor:
        """Return the boolean mask of `ft.noise.keep_mask` for `x`, counted in canonical N, C, H, W order."""
        shape = tf.cast(self.mask_shape(x), tf.int64)
        key = mix(self.key + (clock[0] + 1) * GOLDEN)
        index = canonical_index(shape) + clock[1] * tf.reduce_prod(shape[1:]) + 1
        top = tf.bitwise.bitwise_and(shifted(mix(key + index * GOLDEN), 64 - UNIFORM_BITS), (1 << UNIFORM_BITS) - 1)
        return top >= keep_threshold(self.p)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p}


@register
class Dropout(Noise):
    """Dropout whose mask is a function of seed, layer name, step and position."""

    def mask_shape(self, x: tf.Tensor) -> tf.Tensor:
        return tf.shape(x)


@register
class StochasticDepth(Noise):
    """Stochastic depth by row: a sample's whole branch is dropped, or scaled up by 1 / (1 - p)."""

    def mask_shape(self, x: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.shape(x)[:1], tf.ones(len(x.shape) - 1, tf.int32)], 0)


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


_clock: tf.Tensor | None = None


@contextmanager
def noise(clock: tf.Tensor) -> Iterator[None]:
    """Let noise layers draw the masks of `clock`, int64 (step, position of the first sample), while a step is traced.

    The clock is a symbolic argument of the step function: the graph reads it anew at each call.
    """
    global _clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before


def look_up(table: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Return what a table (C, 256) has for the values of pixels, uint8 (..., C)."""
    places = tf.unstack(tf.cast(pixels, tf.int32), axis=-1)
    return tf.stack([tf.gather(row, place) for row, place in zip(tf.unstack(table), places, strict=True)], axis=-1)


def as_graph(function: Callable[..., Any], signature: Sequence[tf.TensorSpec] | None = None) -> Callable[..., Any]:
    """Return tf.function of a function whose Python does not branch on tensors, as no layer's here does.

    Without AutoGraph, which rewrites the source of each function first: an inference graph is made in half the time.
    """
    return tf.function(function, signature, autograph=False)


class BatchGraphs:
    """The graphs of a function of a batch: one for whole batches, one for those of any other number of samples.

    A graph that knows the number rounds otherwise than one that does not. With reduce_retracing TensorFlow makes the
    first for the size that comes first, and a run that goes on before a short batch meets the sizes in another order.
    """

    def __init__(self, function: Callable[..., Any], batch_size: int) -> None:
        self.function, self.batch_size = function, batch_size
        self.whole = as_graph(function)
        self.others: dict[str, Callable[..., Any]] = {}  # by shape of a sample, types and names

    def __call__(self, inputs: tf.Tensor, *tensors: tf.Tensor) -> Any:
        """Run a batch; of the other tensors the first, if there are any, are the targets, by name."""
        if len(inputs) == self.batch_size:
            return self.whole(inputs, *tensors)
        samples = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), (inputs, *tensors[:1]))
        signature = (*samples, *(tf.TensorSpec(x.shape, x.dtype) for x in tensors[1:]))
        if (key := str(signature)) not in self.others:  # targets by name have no hash
            self.others[key] = as_graph(self.function, signature)
        return self.others[key](inputs, *tensors)


@contextmanager
def type_policy(dtype: str) -> Iterator[None]:
    """Build layers in `dtype`, "float32" or "float64"; `set_floatx` would not reach layers that exist already."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
