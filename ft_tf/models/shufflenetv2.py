"""ShuffleNetV2, a port of torchvision/models/shufflenetv2.py. Shapes: ft/zoo/shufflenetv2.py."""

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import shufflenetv2 as spec
from ft_tf.layers import BatchNorm2d, Conv2d, Linear, MaxPool2d, SameShape, register, sizes
from ft_tf.precision import type_policy


def shufflenet_v2_x0_5(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ShuffleNetV2 x0.5: images (N, H, W, 3) -> logits (N, num_classes)."""
    return shufflenet_v2("shufflenet_v2_x0_5", num_classes, dtype)


def shufflenet_v2_x1_0(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ShuffleNetV2 x1.0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return shufflenet_v2("shufflenet_v2_x1_0", num_classes, dtype)


def shufflenet_v2_x1_5(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ShuffleNetV2 x1.5: images (N, H, W, 3) -> logits (N, num_classes)."""
    return shufflenet_v2("shufflenet_v2_x1_5", num_classes, dtype)


def shufflenet_v2_x2_0(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ShuffleNetV2 x2.0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return shufflenet_v2("shufflenet_v2_x2_0", num_classes, dtype)


def shufflenet_v2(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, stage2 to stage4, a last convolution, spatial mean, fc."""
    shape = spec.SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_norm_relu(images, "conv1", 0, spec.STEM, 3, stride=2)
        x = MaxPool2d(3, stride=2, padding=1, name="maxpool")(x)
        for stage, (channels, depth) in enumerate(zip(shape.channels, spec.DEPTHS, strict=True), start=2):
            x = downsampling_unit(x, f"stage{stage}.0", channels // 2)
            for index in range(1, depth):
                x = basic_unit(x, f"stage{stage}.{index}", channels // 2)
        x = conv_norm_relu(x, "conv5", 0, shape.top, 1)
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
        return keras.Model(images, Linear(num_classes, name="fc")(x), name=name)


def basic_unit(x: KerasTensor, path: str, half: int) -> KerasTensor:
    """Pass one half of the channels by, convolve the other: as many channels out as in, `half` twice."""
    kept, y = Split(name=f"{path}.split")(x)
    return shuffled([kept, convolved(y, f"{path}.branch2", half, stride=1)], path)


def downsampling_unit(x: KerasTensor, path: str, half: int) -> KerasTensor:
    """Convolve all channels in two branches that halve the image and give `half` channels each."""
    y = conv_norm(x, f"{path}.branch1", 0, x.shape[-1], 3, stride=2, groups=x.shape[-1])
    y = conv_norm_relu(y, f"{path}.branch1", 2, half, 1)
    return shuffled([y, convolved(x, f"{path}.branch2", half, stride=2)], path)


def shuffled(pair: list[KerasTensor], path: str) -> KerasTensor:
    """Concatenate two tensors and shuffle their channels in two groups."""
    return ChannelShuffle(name=f"{path}.shuffle")(keras.layers.Concatenate(name=f"{path}.cat")(pair))


def convolved(x: KerasTensor, path: str, channels: int, *, stride: int) -> KerasTensor:
    """Apply a unit's branch2: 1x1, depthwise 3x3 (which takes the stride) and 1x1."""
    x = conv_norm_relu(x, path, 0, channels, 1)
    x = conv_norm(x, path, 3, channels, 3, stride=stride, groups=channels)
    return conv_norm_relu(x, path, 5, channels, 1)


def conv_norm_relu(
    x: KerasTensor, path: str, place: int, channels: int, kernel: int, *, stride: int = 1
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and ReLU: three modules in a row of a Sequential."""
    x = conv_norm(x, path, place, channels, kernel, stride=stride)
    return keras.layers.ReLU(name=f"{path}.{place + 2}")(x)


def conv_norm(
    x: KerasTensor, path: str, place: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> KerasTensor:
    """Apply a convolution without bias and its BatchNorm, `path`.`place` and the next."""
    padding, name = kernel // 2, f"{path}.{place}"
    x = Conv2d(channels, kernel, stride=stride, padding=padding, groups=groups, bias=False, name=name)(x)
    return BatchNorm2d(name=f"{path}.{place + 1}")(x)


@register
class Split(keras.layers.Layer):
    """Split the channels in two halves: (N, H, W, C) -> twice (N, H, W, C / 2)."""

    def call(self, x: tf.Tensor) -> list[tf.Tensor]:
        return tf.split(x, 2, axis=-1)

    def compute_output_shape(self, input_shape: tuple) -> list[tuple]:
        return [(*input_shape[:-1], input_shape[-1] // 2)] * 2


@register
class ChannelShuffle(SameShape):
    """Shuffle the channels in two groups: a0, a1, b0, b1 -> a0, b0, a1, b1: (N, H, W, C) -> the same shape."""

    traced_as = ""  # torchvision reshapes: no node of the network

    def call(self, x: tf.Tensor) -> tf.Tensor:
        images, height, width, channels = sizes(x)
        return tf.reshape(tf.stack(tf.split(x, 2, axis=-1), axis=-1), [images, height, width, channels])
