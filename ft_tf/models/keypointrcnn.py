"""Keypoint R-CNN, a port of torchvision/models/detection/keypoint_rcnn.py: a Faster R-CNN with a head more."""

import keras
from keras import KerasTensor

from ft.zoo.fasterrcnn import Shape
from ft.zoo.keypointrcnn import KEYPOINTS, SHAPES
from ft_tf.layers import Conv2d, ConvTranspose2d, Enlarge, FoundPoints, FoundRois, PoolBoxes
from ft_tf.models.fasterrcnn import HEAD, detected
from ft_tf.precision import type_policy


def keypointrcnn_resnet50_fpn(
    *, num_classes: int = 1, num_keypoints: int = KEYPOINTS, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's Keypoint R-CNN: (N, H, W, 3) -> {"boxes", "scores", "classes", "keypoints", "heights"}."""
    return keypointrcnn("keypointrcnn_resnet50_fpn", num_classes, num_keypoints, dtype)


def keypointrcnn_mobilenet_v2_fpn(
    *, num_classes: int = 1, num_keypoints: int = KEYPOINTS, dtype: str = "float32"
) -> keras.Model:
    """Return a small one of torchvision's parts on its MobileNetV2, with three maps and narrower heads."""
    return keypointrcnn("keypointrcnn_mobilenet_v2_fpn", num_classes, num_keypoints, dtype)


def keypointrcnn(name: str, num_classes: int, num_keypoints: int, dtype: str) -> keras.Model:
    """Return the network called `name`."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images, levels, detections = detected(shape, num_classes + 1, dtype)
        boxes, classes = detections["boxes"], detections["classes"]
        rois = FoundRois(shape.detector, name="found_rois")([boxes, classes, images, *levels])
        places = [rois["rois"], rois["pictures"], rois["maps"]]
        cut = PoolBoxes(shape.detector.of_masks, name="pool_points")([images, *levels, *places])
        heatmaps = point_head(cut, shape, num_keypoints)
        points = FoundPoints(shape.detector, name="points")([heatmaps, rois["rois"], classes])
        return keras.Model(images, {**detections, **points}, name=name)


def point_head(x: KerasTensor, shape: Shape, keypoints: int) -> KerasTensor:
    """Return heatmaps (R, S, S, keypoints) of what was cut out of the maps."""
    path = f"{HEAD}.keypoint_head"
    for place in range(0, 2 * shape.point_convs, 2):
        x = Conv2d(shape.point_hidden, 3, padding=1, name=f"{path}.{place}")(x)
        x = keras.layers.ReLU(name=f"{path}.{place + 1}")(x)
    path = f"{HEAD}.keypoint_predictor"
    x = ConvTranspose2d(keypoints, 4, stride=2, name=f"{path}.kps_score_lowres")(x)
    return Enlarge(name=f"{path}.interpolate")(x)
