"""Mask R-CNN of torchvision's own modules: a Faster R-CNN with a head more."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from ft.zoo.fasterrcnn import Shape
from ft.zoo.maskrcnn import SHAPES
from ft_torch.layers import Decider, NativeDecider, with_products
from ft_torch.models.fasterrcnn import Maps, TwoStages, rois_at, stock_parts
from ft_torch.models.mobilenetv3 import adapted


def maskrcnn_resnet50_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Mask R-CNN on ResNet-50: (N, 3, H, W) -> {"boxes", "scores", "classes", "masks"}."""
    return maskrcnn("maskrcnn_resnet50_fpn", num_classes, dtype)


def maskrcnn_resnet50_fpn_v2(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's second Mask R-CNN on ResNet-50, whose pyramid and heads have BatchNorms."""
    return maskrcnn("maskrcnn_resnet50_fpn_v2", num_classes, dtype)


def maskrcnn_mobilenet_v2_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return a small Mask R-CNN of torchvision's parts on its MobileNetV2, with three maps and half of the widths."""
    return maskrcnn("maskrcnn_mobilenet_v2_fpn", num_classes, dtype)


class WithMasks(TwoStages):
    """A Faster R-CNN that says the mask of each box: what it is in its own class's channel."""

    def more_found(
        self, levels: list[Tensor], found: Maps, decide: Decider | NativeDecider, size: tuple[int, int]
    ) -> Maps:
        """Return "masks" (N, D, M, M) of detections, probabilities on a grid over the box; 0 where none is."""
        rois = decide.found_rois(found)
        own = of_class(self.say(levels, rois, size, "mask"), rois["classes"] + 1).sigmoid()
        return {"masks": decide.by_picture(own, found["classes"] >= 0)}

    def more_learnt(
        self,
        levels: list[Tensor],
        lesson: Maps,
        targets: Mapping[str, Tensor],
        decide: Decider,
        size: tuple[int, int],
    ) -> Maps:
        """Return "mask_logits" and "masks" (P, M, M): what is said, and is to be said, of boxes of objects."""
        own = decide.masks(lesson, targets["masks"])
        logits = self.say(levels, rois_at(lesson, own["places"]), size, "mask")
        return {"mask_logits": of_class(logits, lesson["classes"][own["places"]]), "masks": own["wanted"]}


def of_class(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the logits (K, M, M) of each box's own class of (K, C + 1, M, M)."""
    return logits[torch.arange(classes.shape[0], device=classes.device), classes]


def maskrcnn(name: str, num_classes: int, dtype: str) -> nn.Module:
    """Return the network called `name`."""
    shape = SHAPES[name]
    return adapted(with_products(WithMasks(with_mask_parts(shape, num_classes + 1), shape.detector)), dtype)


def with_mask_parts(shape: Shape, classes: int) -> FasterRCNN:
    """Return torchvision's network. classes: with the background."""
    stock, numbers, channels = stock_parts(shape, classes), shape.detector.of_masks, shape.channels
    heads = stock.roi_heads
    heads.mask_roi_pool = MultiScaleRoIAlign(
        [str(i) for i in range(numbers.maps)], numbers.roi_size, numbers.roi_points
    )
    norm = None if shape.frozen else nn.BatchNorm2d
    heads.mask_head = MaskRCNNHeads(channels, [channels] * shape.mask_convs, 1, norm_layer=norm)
    heads.mask_predictor = MaskRCNNPredictor(channels, channels, classes)
    return stock
