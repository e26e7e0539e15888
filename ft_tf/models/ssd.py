"""SSD, a port of torchvision/models/detection/ssd.py; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import ssd as spec
from ft.zoo.detector import DefaultBoxes
from ft_tf.layers import AnchorDetections, Conv2d, MaxPool2d, SameShape, register
from ft_tf.models.onestage import of_anchors
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
        return ending(images, added(*body(images)), spec.NUMBERS, num_classes, conv_head, name="ssd300_vgg16")


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


def ending(
    images: KerasTensor,
    levels: Sequence[KerasTensor],
    detector: DefaultBoxes,
    classes: int,
    head: Callable[[KerasTensor, str, int], KerasTensor],
    *,
    name: str,
) -> keras.Model:
    """Return the network: what is said of the boxes of each map, by layers of its own, and what is found by that."""
    flat = []
    for part, each in (("classification_head", classes + 1), ("regression_head", 4)):
        said = []
        for place, (x, count) in enumerate(zip(levels, detector.by_place, strict=True)):
            said.append(head(x, f"head.{part}.module_list.{place}", each * count))
        flat.append(of_anchors(said, each, f"head.{part}.said"))
    detections = AnchorDetections(detector, name="detections")([*flat, images, *levels])
    return keras.Model(images, detections, name=name)
