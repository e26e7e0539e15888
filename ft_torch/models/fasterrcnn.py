"""Faster R-CNN of torchvision's own modules; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2, mobilenet_v3_large, resnet
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _mobilenet_extractor, _resnet_fpn_extractor
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from ft.network.boxes.sizes import Sizes, largest
from ft.zoo.detector import Detector
from ft.zoo.fasterrcnn import SHAPES, Shape
from ft_torch.layers import Decider, Decisions, NativeDecider, SparseConv2d, pool_boxes, with_products
from ft_torch.models.mobilenetv3 import adapted

Maps = dict[str, Tensor]


def fasterrcnn_resnet50_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Faster R-CNN on ResNet-50: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_resnet50_fpn", num_classes, dtype)


def fasterrcnn_resnet50_fpn_v2(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's second Faster R-CNN on ResNet-50, whose pyramid and head have BatchNorms."""
    return fasterrcnn("fasterrcnn_resnet50_fpn_v2", num_classes, dtype)


def fasterrcnn_resnet18_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Faster R-CNN on ResNet-18: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_resnet18_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v2_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return a small Faster R-CNN of torchvision's parts on its MobileNetV2, with three maps and half of the widths."""
    return fasterrcnn("fasterrcnn_mobilenet_v2_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v3_large_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Faster R-CNN on MobileNetV3-Large: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    return fasterrcnn("fasterrcnn_mobilenet_v3_large_fpn", num_classes, dtype)


def fasterrcnn_mobilenet_v3_large_320_fpn(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return the same for small pictures, with fewer proposals in inference."""
    return fasterrcnn("fasterrcnn_mobilenet_v3_large_320_fpn", num_classes, dtype)


class TwoStages(nn.Module):
    """Torchvision's parts of a Faster R-CNN under their names, for pictures of one size, or padded to one.

    A step learns from what is drawn inside; its outputs are what the network says there and what it is to say.
    """

    def __init__(self, stock: FasterRCNN, detector: Detector) -> None:
        super().__init__()
        self.backbone, self.rpn, self.roi_heads = stock.backbone, stock.rpn, stock.roi_heads
        self.decisions = Decisions(detector)

    def forward(self, images: Tensor, targets: Mapping[str, Tensor] | None = None) -> Maps:
        size = (images.shape[2], images.shape[3])
        return self.answer(self.backbone.get_submodule("body")(images), size, targets)

    def answer(
        self,
        maps: Mapping[str, Tensor],
        size: tuple[int, int],
        targets: Mapping[str, Tensor] | None,
        sizes: Sizes = None,
    ) -> Maps:
        """Return what is found in pictures of that size, or, with targets, what a step learns from.

        maps: of the body, by tap; sizes: of the pictures themselves, where they are padded.
        """
        pyramid = self.backbone.get_submodule("fpn")(dict(maps))
        levels = list(pyramid.values())
        objectness, deltas = self.proposals(levels)
        decide = self.decisions.at([tuple(level.shape[2:]) for level in levels], size, sizes)
        size = largest(size, sizes)  # by which a map's scale is told
        if targets is None:
            rois = decide.rois(objectness, deltas)
            logits, said = self.say(levels, rois, size)
            found = decide.found(logits, said, rois, count=objectness.shape[0])
            return found | self.more_found(levels, found, decide, size)
        assert isinstance(decide, Decider)  # a file learns nothing
        lesson = decide.lesson(objectness, deltas, targets)
        logits, said = self.say(levels, lesson, size)
        return {
            "objectness": objectness.flatten()[lesson["anchors"]],
            "deltas": deltas.flatten(0, 1)[lesson["anchors"]],
            "class_logits": logits,
            "box_deltas": said.unflatten(1, (-1, 4)),
            **{name: lesson[name] for name in ("objects", "anchor_boxes", "classes", "roi_boxes")},
            **self.more_learnt(levels, lesson, targets, decide, size),
        }

    def more_found(
        self, levels: list[Tensor], found: Maps, decide: Decider | NativeDecider, size: tuple[int, int]
    ) -> Maps:
        """Return what else is said of detections: here nothing."""
        return {}

    def more_learnt(
        self,
        levels: list[Tensor],
        lesson: Maps,
        targets: Mapping[str, Tensor],
        decide: Decider,
        size: tuple[int, int],
    ) -> Maps:
        """Return what else a step learns from: here nothing."""
        return {}

    def proposals(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return objectness (N, A) and deltas (N, A, 4) of the anchors of all maps, by row, column and anchor."""
        # Keras looks at the last map first: in its order a trace numbers the calls as one of Keras does
        scores, said = self.rpn.get_submodule("head")(levels[::-1])
        flat = [[x.permute(0, 2, 3, 1).flatten(1) for x in maps[::-1]] for maps in (scores, said)]
        return torch.cat(flat[0], 1), torch.cat(flat[1], 1).unflatten(1, (-1, 4))

    def say(self, levels: list[Tensor], rois: Mapping[str, Tensor], size: tuple[int, int], part: str = "box") -> Any:
        """Return what is said of boxes: of a "box" logits (K, C + 1) and deltas (K, 4 * (C + 1)), of others maps."""
        numbers = self.decisions.detector
        cut = pool_boxes(levels, rois, size, numbers if part == "box" else numbers.of_masks)
        head, predictor = (self.roi_heads.get_submodule(f"{part}_{own}") for own in ("head", "predictor"))
        return predictor(head(cut))


def rois_at(lesson: Maps, places: Tensor) -> Maps:
    """Return some of the boxes that a step learns from."""
    return {name: lesson[name][places] for name in ("rois", "pictures", "maps")}


def fasterrcnn(name: str, num_classes: int, dtype: str) -> nn.Module:
    """Return the network called `name`."""
    shape = SHAPES[name]
    return adapted(with_products(TwoStages(stock_parts(shape, num_classes + 1), shape.detector)), dtype)


def stock_parts(shape: Shape, classes: int) -> FasterRCNN:
    """Return torchvision's network. classes: with the background."""
    numbers, channels = shape.detector, shape.channels
    bins = numbers.roi_size
    head = TwoMLPHead(channels * bins**2, shape.hidden)
    if shape.box_convs:
        convs = [channels] * shape.box_convs
        head = FastRCNNConvFCHead((channels, bins, bins), convs, [shape.hidden], norm_layer=nn.BatchNorm2d)
    return FasterRCNN(
        with_pyramid(shape),
        rpn_anchor_generator=AnchorGenerator(numbers.sizes, (numbers.ratios,) * len(numbers.sizes)),
        rpn_head=proposals_head(shape),
        box_roi_pool=MultiScaleRoIAlign([str(i) for i in range(numbers.maps)], bins, numbers.roi_points),
        box_head=head,
        box_predictor=FastRCNNPredictor(shape.hidden, classes),
    )


def proposals_head(shape: Shape) -> RPNHead:
    """Return torchvision's head of the proposals, whose last 3x3 convolution learns of the drawn anchors alone."""
    head = RPNHead(shape.channels, shape.detector.anchors, conv_depth=shape.rpn_convs)
    head.conv[-1].get_submodule("0").__class__ = SparseConv2d
    return head


def with_pyramid(shape: Shape) -> nn.Module:
    """Return a body and the pyramid on its maps, as torchvision builds them."""
    norm = FrozenBatchNorm2d if shape.frozen else nn.BatchNorm2d
    if shape.body.startswith("resnet"):
        body = resnet.__dict__[shape.body](norm_layer=norm)
        return _resnet_fpn_extractor(body, 5, norm_layer=None if shape.frozen else nn.BatchNorm2d)
    if shape.body == "mobilenet_v3_large":
        return _mobilenet_extractor(mobilenet_v3_large(norm_layer=norm), True, 6)
    pyramid = shape.pyramid
    names = {name: str(number) for number, (name, _) in enumerate(pyramid.maps)}
    return BackboneWithFPN(mobilenet_v2(norm_layer=norm).features, names, pyramid.channels, shape.channels)
