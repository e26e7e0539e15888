"""SSDlite, a port of torchvision/models/detection/ssdlite.py; what it decides is decided in ft/network/boxes."""

from contextlib import nullcontext
from itertools import count

import keras
from keras import KerasTensor

from ft.zoo.ssdlite import EXTRA, NORM, NUMBERS, PATH, Body, body_of
from ft_tf.layers import Conv2d, conv_norm_activation, norms_of
from ft_tf.models import mobilenetv2, mobilenetv3
from ft_tf.models.ssd import ending
from ft_tf.precision import type_policy


def ssdlite320_mobilenet_v3_large(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's SSDlite on MobileNetV3-Large: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return ssdlite("ssdlite320_mobilenet_v3_large", num_classes, dtype)


def ssdlite320_mobilenet_v2(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return an SSDlite of torchvision's parts on its MobileNetV2, with that one's BatchNorms."""
    return ssdlite("ssdlite320_mobilenet_v2", num_classes, dtype)


def ssdlite(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    body = body_of(name)
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        with nullcontext() if body.whole else norms_of(**NORM):
            levels = maps(images, body)
        with norms_of(**NORM):
            return ending(images, added(levels), NUMBERS, num_classes, lite_head, name=name)


def maps(images: KerasTensor, body: Body) -> list[KerasTensor]:
    """Return what the block in two parts expands its input to, and the top."""
    network = mobilenetv2 if body.name == "mobilenet_v2" else mobilenetv3
    x = network.stem(images, f"{PATH}.0.0")
    for place, block in enumerate(body.blocks[: body.split - 1], start=1):
        x = network.inverted_residual(x, f"{PATH}.0.{place}", block)
    wide = network.expanded(x, f"{PATH}.0.{body.split}", body.blocks[body.split - 1])
    x = network.projected(wide, (f"{PATH}.1.0.{place}" for place in count(1)), body.blocks[body.split - 1])
    for place, block in enumerate(body.blocks[body.split :], start=1):
        x = network.inverted_residual(x, f"{PATH}.1.{place}", block)
    return [wide, network.top(x, f"{PATH}.1.{len(body.blocks) - body.split + 1}", body.top)]


def added(levels: list[KerasTensor]) -> list[KerasTensor]:
    """Return the six maps that are asked: behind the top's, each of half the sides of the one before."""
    for place, channels in enumerate(EXTRA):
        path, between = f"backbone.extra.{place}", channels // 2
        x = conv_norm_activation(levels[-1], f"{path}.0", between, 1, activation="relu6")
        x = conv_norm_activation(x, f"{path}.1", between, 3, stride=2, groups=between, activation="relu6")
        levels = [*levels, conv_norm_activation(x, f"{path}.2", channels, 1, activation="relu6")]
    return levels


def lite_head(x: KerasTensor, path: str, filters: int) -> KerasTensor:
    """Return what is said at every place of a map: each channel filtered, then mixed."""
    x = conv_norm_activation(x, f"{path}.0", x.shape[-1], 3, groups=x.shape[-1], activation="relu6")
    return Conv2d(filters, 1, name=f"{path}.1")(x)
