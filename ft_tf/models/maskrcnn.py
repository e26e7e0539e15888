"""Mask R-CNN, a port of torchvision/models/detection/mask_rcnn.py: a Faster R-CNN with a head more."""

import keras
from keras import KerasTensor

from ft.zoo.fasterrcnn import Shape
from ft.zoo.maskrcnn import SHAPES
from ft_tf.layers import (
    Conv2d,
    ConvTranspose2d,
    FoundMasks,
    FoundRois,
    PoolBoxes,
    conv_norm_activation,
)
from ft_tf.models.fasterrcnn import HEAD, detected
from ft_tf.precision import type_policy


def maskrcnn_resnet50_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Mask R-CNN on ResNet-50: (N, H, W, 3) -> {"boxes", "scores", "classes", "masks"}."""
    return maskrcnn("maskrcnn_resnet50_fpn", num_classes, dtype)


def maskrcnn_resnet50_fpn_v2(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return torchvision's second Mask R-CNN on ResNet-50, whose pyramid and heads have BatchNorms."""
    return maskrcnn("maskrcnn_resnet50_fpn_v2", num_classes, dtype)


def maskrcnn_mobilenet_v2_fpn(*, num_classes: int = 90, dtype: str = "float32") -> keras.Model:
    """Return a small Mask R-CNN of torchvision's parts on its MobileNetV2, with three maps and half of the widths."""
    return maskrcnn("maskrcnn_mobilenet_v2_fpn", num_classes, dtype)


def maskrcnn(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    shape = SHAPES[name]
    numbers = shape.detector.of_masks
    with type_policy(dtype):
        images, levels, detections = detected(shape, num_classes + 1, dtype)
        boxes, classes = detections["boxes"], detections["classes"]
        rois = FoundRois(shape.detector, name="found_rois")([boxes, classes, images, *levels])
        places = [rois["rois"], rois["pictures"], rois["maps"]]
        cut = PoolBoxes(numbers, name="pool_masks")([images, *levels, *places])
        masks = FoundMasks(name="masks")([mask_head(cut, shape, num_classes + 1), classes])
        return keras.Model(images, {**detections, "masks": masks}, name=name)


def mask_head(x: KerasTensor, shape: Shape, classes: int) -> KerasTensor:
    """Return logits (K, M, M, classes) of what was cut out of the maps."""
    path = f"{HEAD}.mask_head"
    for place in range(shape.mask_convs):
        if shape.frozen:
            x = Conv2d(shape.channels, 3, padding=1, name=f"{path}.{place}.0")(x)
            x = keras.layers.ReLU(name=f"{path}.{place}.1")(x)
        else:
            x = conv_norm_activation(x, f"{path}.{place}", shape.channels, 3, activation="relu")
    path = f"{HEAD}.mask_predictor"
    x = ConvTranspose2d(shape.channels, 2, stride=2, name=f"{path}.conv5_mask")(x)
    x = keras.layers.ReLU(name=f"{path}.relu")(x)
    return Conv2d(classes, 1, name=f"{path}.mask_fcn_logits")(x)
