"""Faster R-CNN, a port of torchvision/models/detection; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Callable

import keras
from keras import KerasTensor

from ft.zoo.fasterrcnn import SHAPES, Shape
from ft.zoo.mobilenetv2 import blocks
from ft.zoo.mobilenetv3 import SHAPES as MOBILENETS_V3
from ft.zoo.onestage import Shape as OneStageShape
from ft.zoo.pyramid import PATH
from ft.zoo.resnet import SHAPES as RESNETS
from ft_tf.layers import (
    BatchNorm2d,
    Conv2d,
    Decisions,
    Detections,
    Flatten,
    Linear,
    MaxPool2d,
    PoolBoxes,
    ResizeNearest,
    SparseConv2d,
    conv_norm_activation,
    frozen_norms,
)
from ft_tf.models import mobilenetv2, mobilenetv3, resnet
from ft_tf.precision import type_policy

HEAD = "roi_heads"


def fasterrcnn_resnet50_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Faster R-CNN on ResNet-50: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_resnet50_fpn", num_classes, dtype)


def fasterrcnn_resnet50_fpn_v2(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's second Faster R-CNN on ResNet-50, whose pyramid and head have BatchNorms."""
    return fasterrcnn("fasterrcnn_resnet50_fpn_v2", num_classes, dtype)


def fasterrcnn_resnet18_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Faster R-CNN on ResNet-18: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_resnet18_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v2_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return a small Faster R-CNN of torchvision's parts on its MobileNetV2, with three maps and half of the widths."""
    return fasterrcnn("fasterrcnn_mobilenet_v2_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v3_large_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Faster R-CNN on MobileNetV3-Large: (N, H, W, 3) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_mobilenet_v3_large_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v3_large_320_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return the same for small pictures, with fewer proposals in inference."""
    return fasterrcnn("fasterrcnn_mobilenet_v3_large_320_fpn", num_classes, dtype)


def fasterrcnn(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    with type_policy(dtype):
        images, _, detections = detected(SHAPES[name], num_classes + 1, dtype)
        return keras.Model(images, detections, name=name)


def detected(shape: Shape, classes: int, dtype: str) -> tuple[KerasTensor, list[KerasTensor], dict[str, KerasTensor]]:
    """Return the images, the maps of the pyramid, and what is found. classes: with the background."""
    images = keras.Input((None, None, 3), dtype=dtype, name="images")
    levels = pyramid(body_maps(images, shape), shape)
    objectness, deltas = proposals(levels, shape)
    rois = Decisions(shape.detector, name="decisions")([objectness, deltas, images, *levels])
    places = [rois["rois"], rois["pictures"]]
    cut = PoolBoxes(shape.detector, name="pool_boxes")([images, *levels, *places, rois["maps"]])
    said = box_head(cut, shape, classes)
    return images, levels, Detections(shape.detector, name="detections")([*said, *places, images])


def body_maps(images: KerasTensor, shape: Shape | OneStageShape) -> list[KerasTensor]:
    """Return the maps of the body, finest first."""
    if not shape.frozen:
        return resnet.maps(images, RESNETS[shape.body], prefix=f"{PATH}.")
    with frozen_norms():
        if shape.body in RESNETS:
            return resnet.maps(images, RESNETS[shape.body], prefix=f"{PATH}.")
        if shape.body in MOBILENETS_V3:
            maps = mobilenetv3.maps(images, PATH, MOBILENETS_V3[shape.body].blocks)
        else:
            maps = mobilenetv2.maps(images, PATH, blocks(PATH))
    return [maps[int(name)] for name, _ in shape.pyramid.maps]


def pyramid(maps: list[KerasTensor], shape: Shape) -> list[KerasTensor]:
    """Return maps of as many channels each, and the coarsest once more at half."""
    levels = merged(maps, shape.channels, norm=not shape.frozen)
    return [*levels, MaxPool2d(1, stride=2, name="backbone.fpn.extra_blocks.max_pool")(levels[-1])]


def merged(maps: list[KerasTensor], channels: int, *, norm: bool) -> list[KerasTensor]:
    """Return maps of as many channels each, the coarser ones added to the finer. norm: with BatchNorms."""
    inner = fpn_conv(maps[-1], f"inner_blocks.{len(maps) - 1}", 1, channels, norm=norm)
    levels = [fpn_conv(inner, f"layer_blocks.{len(maps) - 1}", 3, channels, norm=norm)]
    for place in reversed(range(len(maps) - 1)):
        lateral = fpn_conv(maps[place], f"inner_blocks.{place}", 1, channels, norm=norm)
        above = ResizeNearest(name=f"backbone.fpn.interpolate.{place}")([inner, lateral])
        inner = keras.layers.Add(name=f"backbone.fpn.add.{place}")([lateral, above])
        levels.insert(0, fpn_conv(inner, f"layer_blocks.{place}", 3, channels, norm=norm))
    return levels


def fpn_conv(x: KerasTensor, path: str, kernel: int, channels: int, *, norm: bool) -> KerasTensor:
    """Apply a convolution of the pyramid and, where it has them, its BatchNorm."""
    path, padding = f"backbone.fpn.{path}", kernel // 2
    x = Conv2d(channels, kernel, padding=padding, bias=not norm, name=f"{path}.0")(x)
    return BatchNorm2d(name=f"{path}.1")(x) if norm else x


def proposals(levels: list[KerasTensor], shape: Shape) -> tuple[KerasTensor, KerasTensor]:
    """Return objectness (N, A) and deltas (N, A, 4) of the anchors of all maps: the same layers look at each."""
    hidden: list[Callable] = []
    for place in range(shape.rpn_convs):
        kind = SparseConv2d if place == shape.rpn_convs - 1 else Conv2d  # learns of the drawn anchors alone
        hidden.append(kind(shape.channels, 3, padding=1, name=f"rpn.head.conv.{place}.0"))
        hidden.append(keras.layers.ReLU(name=f"rpn.head.conv.{place}.1"))
    count = shape.detector.anchors
    ends = Conv2d(count, 1, name="rpn.head.cls_logits"), Conv2d(4 * count, 1, name="rpn.head.bbox_pred")
    flat: tuple[list[KerasTensor], list[KerasTensor]] = ([], [])
    for x in levels:
        for layer in hidden:
            x = layer(x)
        flat[0].append(keras.layers.Reshape((-1,))(ends[0](x)))
        flat[1].append(keras.layers.Reshape((-1, 4))(ends[1](x)))
    return (
        keras.layers.Concatenate(axis=1, name="rpn.objectness")(flat[0]),
        keras.layers.Concatenate(axis=1, name="rpn.deltas")(flat[1]),
    )


def box_head(x: KerasTensor, shape: Shape, classes: int) -> list[KerasTensor]:
    """Return logits (K, classes) and deltas (K, 4 * classes) of what was cut out of the maps."""
    path = f"{HEAD}.box_head"
    for place in range(shape.box_convs):
        x = conv_norm_activation(x, f"{path}.{place}", shape.channels, 3, activation="relu")
    x = Flatten(name=f"{path}.{shape.box_convs}" if shape.box_convs else f"{path}.flatten")(x)
    names = [f"{path}.{shape.box_convs + 1}"] if shape.box_convs else [f"{path}.fc6", f"{path}.fc7"]
    for name in names:
        x = Linear(shape.hidden, name=name)(x)
        x = keras.layers.ReLU(name=f"{name}.relu")(x)
    path = f"{HEAD}.box_predictor"
    return [Linear(classes, name=f"{path}.cls_score")(x), Linear(4 * classes, name=f"{path}.bbox_pred")(x)]
