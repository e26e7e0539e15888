"""Detectors of one stage next to torchvision's: stock networks, and what they find and lose."""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models import detection as stock
from torchvision.models import mobilenet_v2, resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _resnet_fpn_extractor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteFeatureExtractorMobileNet, SSDLiteHead
from torchvision.ops import FrozenBatchNorm2d, box_iou
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ft.zoo import Card
from ft_torch.models.mobilenetv3 import adapted


def stock_of(card: Card, classes: int) -> nn.Module:
    """Return torchvision's network with frozen BatchNorms where it has them on pretrained weights."""
    if card.name in ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large"):
        network = stock.__dict__[card.name](weights=None, weights_backbone=None, num_classes=classes + 1)
        return adapted(network, "float64")  # hard sigmoids whose gradient is exact
    if card.family == "ssdlite":
        network = lite_v2(classes + 1)
    elif card.name == "retinanet_resnet50_fpn_v2":
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


def lite_v2(classes: int) -> SSD:
    """Return an SSDlite of torchvision's parts on its own MobileNetV2, by numbers. classes: with the background."""
    features, norm = mobilenet_v2().features, partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    features[14].block = features[14].conv
    boxes = DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    options = {"score_thresh": 0.001, "nms_thresh": 0.55, "detections_per_img": 300, "topk_candidates": 300}
    head = SSDLiteHead([576, 1280, 512, 256, 256, 128], [6] * 6, classes, norm)
    return SSD(SSDLiteFeatureExtractorMobileNet(features, 14, norm), boxes, (320, 320), classes, head=head, **options)


def stock_losses(network: nn.Module, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return torchvision's losses of pictures that are what the network takes already; classes from 0."""
    said, anchors, levels = said_by(network, images)
    if isinstance(network, SSD):
        empty = torch.full((len(anchors[0]),), -1)
        overlaps = [box_iou(own["boxes"], boxes) for own, boxes in zip(targets, anchors, strict=True)]
        return network.compute_loss(
            targets, said, anchors, [network.proposal_matcher(own) if len(own) else empty for own in overlaps]
        )
    return network.compute_loss(targets, said, anchors, *([levels] if isinstance(network, stock.FCOS) else []))


@torch.no_grad()
def stock_found(network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
    """Return what torchvision's network finds in such pictures."""
    said, anchors, levels = said_by(network, images)
    if isinstance(network, SSD):
        return network.postprocess_detections(said, anchors, [(images.shape[2], images.shape[3])] * len(images))
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
