"""SSD, a port of torchvision/models/detection/ssd.py; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import ssd as spec
from ft_tf.layers import Conv2d, MaxPool2d, SameShape, register
from ft_tf.precision import type_policy

EPS = 1e-12  # of torch.nn.functional.normalize


@register
class ScaledNorm(SameShape):
    """Each pixel divided by its norm over the channels, times a learned factor a channel: (N, H, W, C) -> the same."""

    traced_as = "mul"

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.Constant(spec.START)
        self.scale_weight = self.add_weight(name="scale_weight", shape=(input_shape[-1],), initializer=start)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_sum(x * x, axis=-1, keepdims=True)
        return x / tf.sqrt(tf.maximum(squares, EPS**2)) * self.scale_weight  # a root of 0 would have no gradient


def ssd300_vgg16(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's SSD on VGG-16: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        levels = added(*body(images))
        logits, said = heads(levels, spec.RATIOS, num_classes + 1, conv_head)
        return keras.Model(images, {"logits": logits, "said": said}, name="ssd300_vgg16")


def body(images: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the maps of VGG's fourth and fifth block."""
    x, maps = images, []
    for block in spec.VGG:
        for place in block.convs:
            x = Conv2d(block.channels, 3, padding=1, name=spec.path_of(place))(x)
            x = keras.layers.ReLU(name=spec.path_of(place + 1))(x)
        maps.append(x)
        if block is not spec.VGG[-1]:
            ceil = block.pool == spec.CEILED
            x = MaxPool2d(2, stride=2, ceil_mode=ceil, name=spec.path_of(block.pool))(x)
    return maps[-2], maps[-1]


def added(fine: KerasTensor, coarse: KerasTensor) -> list[KerasTensor]:
    """Return the six maps that are asked: the fine one scaled, and what convolutions make of the coarse one."""
    x = MaxPool2d(3, stride=1, padding=1, name=f"{spec.FULL}.0")(coarse)
    x = conv_relu(x, f"{spec.FULL}.1", spec.WIDE, 3, padding=spec.REACH, dilation=spec.REACH)
    x = conv_relu(x, f"{spec.FULL}.3", spec.WIDE, 1)
    levels = [ScaledNorm(name="backbone.scale_weight")(fine), x]
    for place, (between, channels, stride) in enumerate(spec.EXTRA, start=1):
        x = conv_relu(x, f"backbone.extra.{place}.0", between, 1)
        x = conv_relu(x, f"backbone.extra.{place}.2", channels, 3, stride=stride, padding=stride - 1)
        levels.append(x)
    return levels


def conv_relu(x: KerasTensor, path: str, filters: int, kernel: int, **window: int) -> KerasTensor:
    """Apply a convolution and a ReLU, which is the next in the same Sequential."""
    start, _, place = path.rpartition(".")
    x = Conv2d(filters, kernel, **window, name=path)(x)
    return keras.layers.ReLU(name=f"{start}.{int(place) + 1}")(x)


def conv_head(x: KerasTensor, path: str, filters: int) -> KerasTensor:
    """Return what is said at every place of a map."""
    return Conv2d(filters, 3, padding=1, name=path)(x)


def heads(
    levels: Sequence[KerasTensor],
    ratios: Sequence[Sequence[float]],
    classes: int,
    head: Callable[[KerasTensor, str, int], KerasTensor],
) -> list[KerasTensor]:
    """Return logits (N, A, classes) and what is said of the boxes (N, A, 4): each map has layers of its own."""
    flat = []
    for part, each in (("classification_head", classes), ("regression_head", 4)):
        said = []
        for place, (x, own) in enumerate(zip(levels, ratios, strict=True)):
            y = head(x, f"head.{part}.module_list.{place}", each * (2 + 2 * len(own)))
            said.append(keras.layers.Reshape((-1, each))(y))
        flat.append(keras.layers.Concatenate(axis=1, name=f"head.{part}.all")(said))
    return flat
