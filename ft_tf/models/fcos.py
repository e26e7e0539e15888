"""FCOS, a port of torchvision/models/detection/fcos.py."""

import keras
from keras import KerasTensor

from ft.zoo.fcos import SHAPES
from ft.zoo.onestage import Shape
from ft_tf.layers import Conv2d
from ft_tf.models.onestage import CONVS, HEAD, Layers, each, group_norm, of_anchors, one_stage


def fcos_resnet50_fpn(*, num_classes: int = 91, dtype: str = "float32") -> keras.Model:
    """Return torchvision's FCOS on ResNet-50: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return fcos("fcos_resnet50_fpn", num_classes, dtype)


def fcos_mobilenet_v2_fpn(*, num_classes: int = 91, dtype: str = "float32") -> keras.Model:
    """Return a small FCOS of torchvision's parts on its MobileNetV2, with half of the widths."""
    return fcos("fcos_mobilenet_v2_fpn", num_classes, dtype)


def fcos(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    return one_stage(name, SHAPES[name], say, num_classes=num_classes, dtype=dtype)


def say(levels: list[KerasTensor], shape: Shape, classes: int) -> list[KerasTensor]:
    """Return logits (N, A, C), what is said (N, A, 4), never below 0, and how near to the middle (N, A)."""
    first, second = f"{HEAD}.classification_head", f"{HEAD}.regression_head"
    logits = each(levels, [*convs(first, shape), Conv2d(classes, 3, padding=1, name=f"{first}.cls_logits")])
    maps = each(levels, convs(second, shape))
    sides = Conv2d(4, 3, padding=1, name=f"{second}.bbox_reg"), keras.layers.ReLU(name=f"{second}.relu")
    middle = each(maps, [Conv2d(1, 3, padding=1, name=f"{second}.bbox_ctrness")])
    return [
        of_anchors(logits, classes, f"{first}.said"),
        of_anchors(each(maps, sides), 4, f"{second}.said"),
        of_anchors(middle, None, f"{second}.middles"),
    ]


def convs(path: str, shape: Shape) -> Layers:
    """Return the layers before the last one of half of the head."""
    layers = []
    for place in range(0, 3 * CONVS, 3):
        layers.append(Conv2d(shape.channels, 3, padding=1, name=f"{path}.conv.{place}"))
        layers.append(group_norm(shape, f"{path}.conv.{place + 1}"))
        layers.append(keras.layers.ReLU(name=f"{path}.conv.{place + 2}"))
    return layers
