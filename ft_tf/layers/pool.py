"""Pooling with PyTorch's padding, and flattening in its order."""

from typing import Any

import keras
import tensorflow as tf

from ft_tf.layers.base import ForLiteRT, register
from ft_tf.layers.conv import explicit_padding, window_count


@register
class MaxPool2d(ForLiteRT):
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
            if self.for_litert and padding != "VALID":
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
