"""Detectors next to torchvision's: pictures with boxes, stock networks, and their losses with our draws injected."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor, nn
from torchvision.models import detection as stock
from torchvision.models import mobilenet_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from ft.backend.contract import Learner
from ft.data import Batch
from ft.network.boxes import training
from ft.network.boxes.sampling import picture_key, sample
from ft.network.boxes.training import ROI, RPN
from ft.noise import generator, layer_key
from ft.parity.arrays import ZERO, Tensors, require_equal
from ft.zoo import Card
from ft.zoo.detector import Detector
from ft_torch.models.mobilenetv3 import adapted
from ft_torch.weights import to_array
from parity_tests.support.pairs import STEP

SIDES = (75, 94)  # neither of them is divided by a stride


def boxes_batch(seed: int, *, count: int, classes: int, sides: tuple[int, int] = SIDES, most: int = 8) -> Batch:
    """Return pictures with boxes; the second has none, and one box of the first is as large as its picture."""
    rng, (height, width) = generator(seed, "boxes batch"), sides
    corners = rng.uniform(0, 0.7, (count, most, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.15, 0.3, (count, most, 2))], -1)
    boxes *= np.array([width, height, width, height])
    boxes[0, 0] = [0, 0, width, height]
    labels = rng.integers(0, classes, (count, most))
    labels[np.arange(most) >= rng.integers(1, most, (count, 1))] = -1
    labels[1] = -1
    boxes[labels < 0] = 0
    return Batch.of(rng.normal(size=(count, height, width, 3)), boxes=boxes, box_labels=labels)


def stock_of(card: Card, classes: int) -> nn.Module:
    """Return torchvision's network with frozen BatchNorms, as on pretrained weights. classes: the user's."""
    if card.name == "fasterrcnn_resnet50_fpn_v2":
        network = stock.fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes + 1)
    elif "resnet" in card.name:
        name = card.name.split("_")[1]
        network = stock.FasterRCNN(
            resnet_fpn_backbone(backbone_name=name, weights=None, trainable_layers=5), num_classes=classes + 1
        )
    elif "v3" in card.name:
        network = stock_v3(card, classes)
    else:
        network = stock_v2(classes)
    return network.double()


def stock_masks(card: Card, classes: int) -> nn.Module:
    """Return torchvision's Mask R-CNN, its BatchNorms as in `stock_of`."""
    if card.name == "maskrcnn_resnet50_fpn_v2":
        return stock.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes + 1).double()
    if card.name == "maskrcnn_resnet50_fpn":
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
        return stock.MaskRCNN(backbone, num_classes=classes + 1).double()
    parts = {
        "mask_roi_pool": MultiScaleRoIAlign(["0", "1", "2"], 14, 2),
        "mask_head": MaskRCNNHeads(128, (128, 128), 1),
        "mask_predictor": MaskRCNNPredictor(128, 128, classes + 1),
    }
    return stock_v2(classes, stock.MaskRCNN, **parts).double()


def stock_points(card: Card, classes: int, keypoints: int) -> nn.Module:
    """Return torchvision's Keypoint R-CNN, its BatchNorms as in `stock_of`."""
    if card.name == "keypointrcnn_resnet50_fpn":
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
        return stock.KeypointRCNN(backbone, num_classes=classes + 1, num_keypoints=keypoints).double()
    parts = {
        "keypoint_roi_pool": MultiScaleRoIAlign(["0", "1", "2"], 14, 2),
        "keypoint_head": KeypointRCNNHeads(128, (128,) * 4),
        "keypoint_predictor": KeypointRCNNPredictor(128, keypoints),
    }
    return stock_v2(classes, stock.KeypointRCNN, **parts).double()


def stock_v3(card: Card, classes: int) -> nn.Module:
    """Return torchvision's own on MobileNetV3, with frozen BatchNorms, and hard sigmoids whose gradient is exact."""
    network = stock.__dict__[card.name](weights=None, weights_backbone=None, num_classes=classes + 1)
    network.backbone = mobilenet_backbone(
        backbone_name="mobilenet_v3_large", weights=None, fpn=True, trainable_layers=6
    )
    return adapted(network, "float64")


def stock_v2(classes: int, build: Any = stock.FasterRCNN, **parts: nn.Module) -> nn.Module:
    """Return what torchvision's parts make of its own MobileNetV2, by numbers. build, parts: with heads more."""
    body = mobilenet_v2(norm_layer=FrozenBatchNorm2d).features
    backbone = BackboneWithFPN(body, {"6": "0", "13": "1", "18": "2"}, [32, 96, 1280], 128)
    return build(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 4),
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2),
        box_head=TwoMLPHead(128 * 49, 512),
        box_predictor=FastRCNNPredictor(512, classes + 1),
        rpn_pre_nms_top_n_train=1000,
        rpn_pre_nms_top_n_test=600,
        rpn_post_nms_top_n_train=1000,
        rpn_post_nms_top_n_test=300,
        box_batch_size_per_image=128,
        **parts,
    )


def masked_batch(seed: int, **options: Any) -> Batch:
    """Return `boxes_batch` with a mask for each box: an ellipse in it with holes, which reaches out of it a little."""
    batch = boxes_batch(seed, **options)
    boxes, labels = batch.targets["boxes"], batch.targets["box_labels"]
    height, width = batch.inputs.shape[1:3]
    y, x = np.mgrid[:height, :width] + 0.5
    x1, y1, x2, y2 = (boxes[..., i, None, None] for i in range(4))
    with np.errstate(invalid="ignore", divide="ignore"):
        away = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2
    masks = (away < 1.1) & (generator(seed, "masks").random(away.shape) < 0.9) & (labels >= 0)[..., None, None]
    return Batch.of(batch.inputs, **batch.targets, masks=np.packbits(masks, axis=-1))


def pointed_batch(seed: int, keypoints: int, **options: Any) -> Batch:
    """Return `boxes_batch` with keypoints for each box: around it and in it, one on its far corner, a third not marked.

    All are numbers of float32, for torchvision takes no others.
    """
    batch = boxes_batch(seed, **options)
    batch.targets["boxes"] = batch.targets["boxes"].astype(np.float32).astype(np.float64)
    boxes, labels = batch.targets["boxes"][:, :, None], batch.targets["box_labels"]
    rng = generator(seed, "keypoints")
    shares = rng.uniform(-0.2, 1.2, (*labels.shape, keypoints, 2))
    places = (boxes[..., :2] + shares * (boxes[..., 2:] - boxes[..., :2])).astype(np.float32).astype(np.float64)
    places[:, :, 0] = boxes[:, :, 0, 2:]
    marked = (rng.random((*labels.shape, keypoints)) < 2 / 3) & (labels >= 0)[..., None]
    points = np.concatenate([places, rng.integers(1, 3, marked.shape)[..., None]], -1) * marked[..., None]
    return Batch.of(batch.inputs, **batch.targets, points=points)


class Drawn:
    """Stands for torchvision's sampler, and draws what we draw. numbers: of each picture's boxes, else places."""

    def __init__(self, key: tuple[int, int, int], numbers: list[np.ndarray] | None, *, count: int, positive: float):
        self.key, self.numbers, self.options = key, numbers, {"count": count, "positive": positive}

    def __call__(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for place, own in enumerate(labels):
            chosen = np.zeros(len(own), np.bool_)
            numbers = self.numbers[place] if self.numbers else None
            chosen[sample(own.numpy(), picture_key(*self.key, place), numbers=numbers, **self.options)] = True
            for masks, kind in zip(found, (own > 0, own == 0), strict=True):
                masks.append((torch.from_numpy(chosen) & kind).to(torch.uint8))
        return found


def with_our_draws(
    network: nn.Module, detector: Detector, *, seed: int, step: int, anchors: list[np.ndarray]
) -> nn.Module:
    """Return torchvision's network with our samplers, and labels of anchors in float64: its loss of them is float32.

    anchors: the numbers of the boxes of each picture, see `recorded_anchors`.
    """
    numbers = (RPN, detector.rpn_samples, detector.rpn_positive), (ROI, detector.roi_samples, detector.roi_positive)
    for part, (purpose, count, positive) in zip((network.rpn, network.roi_heads), numbers, strict=True):
        own = anchors if purpose == ROI else None
        key = layer_key(seed, "decisions"), step, purpose
        part.fg_bg_sampler = Drawn(key, own, count=count, positive=positive)
    assign = network.rpn.assign_targets_to_anchors

    def in_double(*given):
        labels, boxes = assign(*given)
        return [own.double() for own in labels], [own.double() for own in boxes]

    network.rpn.assign_targets_to_anchors = in_double
    return network


@contextmanager
def recorded_anchors() -> Iterator[list[np.ndarray]]:
    """Note the numbers of the proposals that steps learn from, a picture after the other, and those of its objects."""
    found: list[np.ndarray] = []
    plain = training.with_truth

    def noted(*given: Any) -> training.Proposals:
        own = plain(*given)
        found.append(own.anchors)
        return own

    training.with_truth = noted
    try:
        yield found
    finally:
        training.with_truth = plain


def stock_pass(network: nn.Module, images: Tensor, targets: list[dict[str, Tensor]] | None = None):
    """Return torchvision's detections and losses of pictures that are what the network takes already."""
    sizes = [(images.shape[2], images.shape[3])] * len(images)
    maps = network.backbone(images)
    proposals, early = network.rpn(ImageList(images, sizes), maps, targets)
    found, late = network.roi_heads(maps, proposals, sizes, targets)
    return found, {**early, **late}


def stock_targets(targets: Mapping[str, np.ndarray]) -> list[dict[str, Tensor]]:
    """Return the boxes of each picture as torchvision takes them: without padding, classes from 1."""
    rows = zip(targets["boxes"], targets["box_labels"], strict=True)
    return [
        {"boxes": torch.from_numpy(boxes[own >= 0]), "labels": torch.from_numpy(own[own >= 0] + 1)}
        for boxes, own in rows
    ]


def stock_point_targets(targets: Mapping[str, np.ndarray]) -> list[dict[str, Tensor]]:
    """Return the same with the keypoints, (M, K, 3)."""
    return [
        {**own, "keypoints": torch.from_numpy(points[: len(own["labels"])]).float()}
        for own, points in zip(stock_targets(targets), targets["points"], strict=True)
    ]


def stock_mask_targets(targets: Mapping[str, np.ndarray], width: int) -> list[dict[str, Tensor]]:
    """Return the same with the masks, uint8 (M, H, W)."""
    masks = np.unpackbits(targets["masks"], axis=-1, count=width)
    return [
        {**own, "masks": torch.from_numpy(mask[: len(own["labels"])])}
        for own, mask in zip(stock_targets(targets), masks, strict=True)
    ]


def require_one_step(pair: Mapping[str, Learner], found: Mapping[str, Any]) -> dict[str, float]:
    """Both wings learn the same of a batch and move their weights alike; return how far they are apart.

    found: what `gradients` gave, by wing.
    """
    (loss, outputs, gradients), (other, their_outputs, their_gradients) = found["torch"], found["tf"]
    require_equal(outputs, their_outputs, bar=STEP, what="training")
    require_equal({"loss": np.array(loss)}, {"loss": np.array(other)}, bar=STEP)
    result = require_equal(gradients, their_gradients, bar=STEP, zero=ZERO, what="gradients")
    for name, learner in pair.items():
        learner.update(found[name][2], lr=np.float64(0.01))
    weights = (pair[name].get_weights() for name in ("torch", "tf"))
    step = require_equal(*weights, bar=STEP, what="step")
    return {"gradients": result.largest, "step": step.largest, "zero gradients": len(result.zeros)}


def told(card: Card, apart: Mapping[str, float]) -> str:
    """Return how far apart the wings are, in a line."""
    *largest, zeros = apart.values()
    parts = zip(apart, largest, strict=False)
    return f"{card.name}: {', '.join(f'{part} {value:.1e}' for part, value in parts)}, {zeros:.0f} zero"


def require_losses(
    network: nn.Module, losses: Mapping[str, Tensor], wings: tuple[Any, Any], outputs: Tensors, gradients: Tensors
) -> None:
    """Each loss of torchvision's network, and every gradient of their sum, is ours in both wings.

    wings: the files of either that compute the task's losses; outputs, gradients: ours.
    """
    ours = wings[0].losses({name: torch.from_numpy(x) for name, x in outputs.items()})
    theirs = wings[1].losses({name: tf.constant(x) for name, x in outputs.items()})
    expected = {name: x.detach().numpy() for name, x in losses.items()}
    require_equal({name: x.numpy() for name, x in ours.items()}, expected, bar=STEP, what="losses")
    require_equal({name: x.numpy() for name, x in theirs.items()}, expected, bar=STEP, what="Keras's losses")
    weights = dict(network.named_parameters())
    found = torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(weights.values()))
    named = {name: to_array(g) for name, g in zip(weights, found, strict=True)}
    require_equal(gradients, named, bar=STEP, zero=ZERO, what="stock's gradients")
