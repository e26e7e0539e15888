"""Detectors of one stage next to torchvision's: stock networks, and what they find and lose."""

import torch
from torch import Tensor, nn
from torchvision.models import detection as stock
from torchvision.models import mobilenet_v2, resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _resnet_fpn_extractor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ft.zoo import Card


def stock_of(card: Card, classes: int) -> nn.Module:
    """Return torchvision's network with frozen BatchNorms where it has them on pretrained weights."""
    if card.name == "retinanet_resnet50_fpn_v2":
        network = stock.retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes)
    elif card.name.endswith("mobilenet_v2_fpn"):
        network = stock_v2(card.family, classes)
    else:
        body, beyond = resnet50(norm_layer=FrozenBatchNorm2d), LastLevelP6P7(256, 256)
        backbone = _resnet_fpn_extractor(body, 5, returned_layers=[2, 3, 4], extra_blocks=beyond)
        network = (stock.FCOS if card.family == "fcos" else stock.RetinaNet)(backbone, num_classes=classes)
    return network.double()


def stock_v2(family: str, classes: int) -> nn.Module:
    """Return what torchvision's parts make of its own MobileNetV2, by numbers."""
    body = mobilenet_v2(norm_layer=FrozenBatchNorm2d).features
    maps, beyond = {"6": "0", "13": "1", "18": "2"}, LastLevelP6P7(128, 128)
    backbone = BackboneWithFPN(body, maps, [32, 96, 1280], 128, extra_blocks=beyond)
    if family == "fcos":
        return stock.FCOS(backbone, classes)
    anchors = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    head = RetinaNetHead(128, 3, classes, norm_layer=lambda channels: nn.GroupNorm(32, channels))
    return stock.RetinaNet(backbone, classes, anchor_generator=anchors, head=head, detections_per_img=100)


def stock_losses(network: nn.Module, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return torchvision's losses of pictures that are what the network takes already; classes from 0."""
    said, anchors, levels = said_by(network, images)
    return network.compute_loss(targets, said, anchors, *([levels] if isinstance(network, stock.FCOS) else []))


@torch.no_grad()
def stock_found(network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
    """Return what torchvision's network finds in such pictures."""
    said, anchors, levels = said_by(network, images)
    sizes, by_level = [(images.shape[2], images.shape[3])] * len(images), [list(own.split(levels)) for own in anchors]
    return network.postprocess_detections(
        {name: list(x.split(levels, dim=1)) for name, x in said.items()}, by_level, sizes
    )


def said_by(network: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
    """Return what the head says, the anchors of each picture, and how many each map has."""
    sizes = [(images.shape[2], images.shape[3])] * len(images)
    maps = list(network.backbone(images).values())
    own = network.anchor_generator.num_anchors_per_location()
    counts = [count * x.shape[2] * x.shape[3] for count, x in zip(own, maps, strict=True)]
    return network.head(maps), network.anchor_generator(ImageList(images, sizes), maps), counts
