"""Keypoint R-CNN of torchvision's own modules: a Faster R-CNN with a head more."""

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from ft.zoo.fasterrcnn import Shape
from ft.zoo.keypointrcnn import KEYPOINTS, SHAPES
from ft_torch.layers import Decider, NativeDecider, with_products
from ft_torch.models.fasterrcnn import Maps, TwoStages, rois_at, stock_parts
from ft_torch.models.mobilenetv3 import adapted


def keypointrcnn_resnet50_fpn(
    *, num_classes: int = 1, num_keypoints: int = KEYPOINTS, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's Keypoint R-CNN: (N, 3, H, W) -> {"boxes", "scores", "classes", "keypoints", "heights"}."""
    return keypointrcnn("keypointrcnn_resnet50_fpn", num_classes, num_keypoints, dtype)


def keypointrcnn_mobilenet_v2_fpn(
    *, num_classes: int = 1, num_keypoints: int = KEYPOINTS, dtype: str = "float32"
) -> nn.Module:
    """Return a small one of torchvision's parts on its MobileNetV2, with three maps and narrower heads."""
    return keypointrcnn("keypointrcnn_mobilenet_v2_fpn", num_classes, num_keypoints, dtype)


class WithPoints(TwoStages):
    """A Faster R-CNN that says the keypoints of each box, each by the highest place of a heatmap."""

    def more_found(
        self, levels: list[Tensor], found: Maps, decide: Decider | NativeDecider, size: tuple[int, int]
    ) -> Maps:
        """Return "keypoints" (N, D, K, 2) of detections in pixels of the picture, and the "heights" (N, D, K) of their
        heatmaps there; 0 where no detection is. In a graph the "heatmaps" (N, D, K, S, S).
        """
        there, rois = found["classes"] >= 0, decide.found_rois(found)
        said = decide.found_points(self.say(levels, rois, size, "keypoint"), rois)
        return {name: decide.by_picture(x, there) for name, x in said.items()}

    def more_learnt(
        self,
        levels: list[Tensor],
        lesson: Maps,
        targets: Mapping[str, Tensor],
        decide: Decider,
        size: tuple[int, int],
    ) -> Maps:
        """Return "heatmaps" (V, S * S), logits of the keypoints that boxes of objects show, and their "cells" (V,)."""
        own = decide.points(lesson, targets["points"])
        heatmaps = self.say(levels, rois_at(lesson, own["places"]), size, "keypoint").flatten(2).flatten(0, 1)
        return {"heatmaps": heatmaps[own["heatmaps"]], "cells": own["cells"]}


def keypointrcnn(name: str, num_classes: int, num_keypoints: int, dtype: str) -> nn.Module:
    """Return the network called `name`."""
    shape = SHAPES[name]
    network = WithPoints(with_point_parts(shape, num_classes + 1, num_keypoints), shape.detector)
    return adapted(with_products(network), dtype)


def with_point_parts(shape: Shape, classes: int, keypoints: int) -> FasterRCNN:
    """Return torchvision's network. classes: with the background."""
    stock, numbers = stock_parts(shape, classes), shape.detector.of_masks
    heads = stock.roi_heads
    names = [str(i) for i in range(numbers.maps)]
    heads.keypoint_roi_pool = MultiScaleRoIAlign(names, numbers.roi_size, numbers.roi_points)
    heads.keypoint_head = KeypointRCNNHeads(shape.channels, [shape.point_hidden] * shape.point_convs)
    heads.keypoint_predictor = KeypointRCNNPredictor(shape.point_hidden, keypoints)
    return stock
