"""RetinaNet, a port of torchvision/models/detection/retinanet.py."""

import keras
from keras import KerasTensor

from ft.zoo.onestage import Shape
from ft.zoo.retinanet import SHAPES
from ft_tf.layers import Conv2d
from ft_tf.models.onestage import CONVS, HEAD, Layers, each, group_norm, of_anchors, one_stage


def retinanet_resnet50_fpn(*, num_classes: int = 91, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RetinaNet on ResNet-50: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return retinanet("retinanet_resnet50_fpn", num_classes, dtype)


def retinanet_resnet50_fpn_v2(*, num_classes: int = 91, dtype: str = "float32") -> keras.Model:
    """Return torchvision's second RetinaNet on ResNet-50, with GroupNorms in its head and a loss of boxes."""
    return retinanet("retinanet_resnet50_fpn_v2", num_classes, dtype)


def retinanet_mobilenet_v2_fpn(*, num_classes: int = 91, dtype: str = "float32") -> keras.Model:
    """Return a small RetinaNet of torchvision's parts on its MobileNetV2, with a third of the anchors."""
    return retinanet("retinanet_mobilenet_v2_fpn", num_classes, dtype)


def retinanet(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    return one_stage(name, SHAPES[name], say, num_classes=num_classes, dtype=dtype)


def say(levels: list[KerasTensor], shape: Shape, classes: int) -> list[KerasTensor]:
    """Return logits (N, A, C) and what is said (N, A, 4)."""
    count, said = shape.detector.anchors, []
    for half, last, numbers in (("classification", "cls_logits", classes), ("regression", "bbox_reg", 4)):
        path = f"{HEAD}.{half}_head"
        end = Conv2d(count * numbers, 3, padding=1, name=f"{path}.{last}")
        said.append(of_anchors(each(levels, [*convs(path, shape), end]), numbers, f"{path}.said"))
    return said


def convs(path: str, shape: Shape) -> Layers:
    """Return the layers before the last one of half of the head."""
    layers = []
    for place in range(CONVS):
        own = f"{path}.conv.{place}"
        layers.append(Conv2d(shape.channels, 3, padding=1, bias=not shape.groups, name=f"{own}.0"))
        if shape.groups:
            layers.append(group_norm(shape, f"{own}.1"))
        layers.append(keras.layers.ReLU(name=f"{own}.{2 if shape.groups else 1}"))
    return layers
