"""Detection: the sum of the training losses of a network: torchvision's, with its divisors.

Of one with two stages there are four, of what a step drew; those of one stage are in onestage.py.

Anchors: whether one is of an object, and what to say of those that are. Boxes: which class, and what to say of those
that are not background. Each is divided by how many of them were drawn in the batch; where none were it is 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft.network.boxes.coding import BETA
from ft.zoo.detector import OneStage
from ft_torch.drawn import Terms
from ft_torch.tasks import onestage


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    one = isinstance(objective.detector, OneStage)
    return torch.stack(list((onestage.losses(outputs, objective) if one else losses(outputs)).values())).sum()


def right(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return 0: no picture is simply right."""
    return next(iter(outputs.values())).new_zeros(())


def terms(outputs: Mapping[str, Tensor]) -> Terms:
    """Return the losses as sums, of anchors and of boxes: of a part of a batch, whose divisors are the whole's."""
    own, like = losses(outputs), outputs["objectness"]
    counts = like.new_tensor([len(outputs["objects"]), len(outputs["classes"])])
    means = own["loss_objectness"] + own["loss_rpn_box_reg"], own["loss_classifier"] + own["loss_box_reg"]
    return Terms([mean * count for mean, count in zip(means, counts, strict=True)], counts)


def one_more(terms: Terms, mean: Tensor, count: int) -> Terms:
    """Return terms and one more, a mean over `count` values."""
    return Terms([*terms.sums, mean * count], torch.cat([terms.counts, terms.counts.new_tensor([count])]))


def losses(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the four losses by the names that torchvision gives them."""
    objects, classes = outputs["objects"], outputs["classes"]
    rows = torch.arange(len(classes), device=classes.device)
    own = outputs["box_deltas"][rows, classes]
    return {
        "loss_objectness": F.binary_cross_entropy_with_logits(outputs["objectness"], objects),
        "loss_rpn_box_reg": of_objects(outputs["deltas"], outputs["anchor_boxes"], objects > 0),
        "loss_classifier": F.cross_entropy(outputs["class_logits"], classes, reduction="sum") / max(len(classes), 1),
        "loss_box_reg": of_objects(own, outputs["roi_boxes"], classes > 0),
    }


def of_objects(said: Tensor, wanted: Tensor, objects: Tensor) -> Tensor:
    """Return the sum of smooth L1 over boxes of objects, divided by how many boxes there are."""
    terms = F.smooth_l1_loss(said, wanted, beta=BETA, reduction="none").sum(1)
    return (terms * objects).sum() / max(len(objects), 1)
