"""The training losses of detectors of one stage: torchvision's, with its divisors.

Classes of all anchors that count, and what is said of those of objects. Those of a whole batch are sums here, see
`Objective.summed`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from ft.backend.objective import Objective
from ft.network.boxes.coding import LARGEST
from ft.network.boxes.matching import NEITHER
from ft.zoo.detector import DefaultBoxes, OneStage
from ft_torch.layers import count_of_losses

Outputs = Mapping[str, Tensor]


def losses(outputs: Outputs, objective: Objective) -> dict[str, Tensor]:
    """Return the losses by the names that torchvision gives them."""
    return LOSSES[objective.kind](outputs, objective)


def retinanet(outputs: Outputs, objective: Objective) -> dict[str, Tensor]:
    """Return RetinaNet's losses: of each picture, divided by its anchors of objects, and of these the mean."""
    own = (outputs["classes"] >= 0).sum(1)
    shares = 1 / (own.clamp(min=1) * len(own)).to(outputs["said"].dtype)
    assert isinstance(objective.detector, OneStage)
    if objective.detector.giou:
        away = generalized_box_iou_loss(from_deltas(outputs["said"], outputs["anchor_corners"]), outputs["boxes"])
    else:
        away = (outputs["said"] - outputs["boxes"]).abs().sum(1)
    return {
        "classification": (focal(outputs).sum(1) * shares).sum(),
        "bbox_regression": (away * shares.repeat_interleave(own)).sum(),
    }


def focal(outputs: Outputs) -> Tensor:
    """Return the focal loss of each anchor (N, A), 0 of those that do not count."""
    logits, classes = outputs["class_logits"], outputs["classes"]
    wanted = torch.zeros_like(logits)
    picture, anchor = torch.nonzero(classes >= 0, as_tuple=True)
    wanted[picture, anchor, classes[picture, anchor]] = 1
    return sigmoid_focal_loss(logits, wanted).sum(2) * (classes != NEITHER)


def from_deltas(said: Tensor, anchors: Tensor) -> Tensor:
    """Return boxes (F, 4) by what is said of anchors, see `decode`."""
    sides = anchors[:, 2:] - anchors[:, :2]
    middle = said[:, :2] * sides + (anchors[:, :2] + 0.5 * sides)
    half = 0.5 * (said[:, 2:].clamp(max=LARGEST).exp() * sides)
    return torch.cat([middle - half, middle + half], 1)


def from_sides(said: Tensor, anchors: Tensor) -> Tensor:
    """Return boxes (F, 4) by how far their sides are from the middles of anchors, in the anchors' own sizes."""
    middle, sides = 0.5 * (anchors[:, :2] + anchors[:, 2:]), anchors[:, 2:] - anchors[:, :2]
    return torch.cat([middle - said[:, :2] * sides, middle + said[:, 2:] * sides], 1)


def fcos(outputs: Outputs, objective: Objective) -> dict[str, Tensor]:
    """Return FCOS's losses, sums."""
    boxes = from_sides(outputs["said"], outputs["anchor_corners"])
    return {
        "classification": focal(outputs).sum(),
        "bbox_regression": generalized_box_iou_loss(boxes, outputs["boxes"], reduction="sum"),
        "bbox_ctrness": F.binary_cross_entropy_with_logits(outputs["middle"], outputs["middles"], reduction="sum"),
    }


def ssd(outputs: Outputs, objective: Objective) -> dict[str, Tensor]:
    """Return SSD's losses, sums: of the classes of objects' boxes and of hard negatives, see `shares`."""
    classes, detector = outputs["classes"], objective.detector
    assert isinstance(detector, DefaultBoxes)
    terms = F.cross_entropy(outputs["class_logits"].flatten(0, 1), classes.flatten() + 1, reduction="none")
    terms = terms.view_as(classes)
    return {
        "classification": (terms * count_of_losses(terms, classes, detector.negatives)).sum(),
        "bbox_regression": F.smooth_l1_loss(outputs["said"], outputs["boxes"], reduction="sum"),
    }


LOSSES = {"retinanet": retinanet, "fcos": fcos, "ssd": ssd}
