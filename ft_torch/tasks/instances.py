"""Objects with masks: the losses of detection, and one more of masks, of what a step drew: torchvision's.

The mean over all points of the masks of the drawn boxes that are of an object, a yes or no each; without one it is 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft_torch.drawn import Terms
from ft_torch.tasks import detection
from ft_torch.tasks.detection import one_more, right

__all__ = ["loss", "losses", "right", "terms"]


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    return torch.stack(list(losses(outputs).values())).sum()


def terms(outputs: Mapping[str, Tensor]) -> Terms:
    """Return the losses as sums, of anchors, of boxes and of points of masks, see detection.py."""
    return one_more(detection.terms(outputs), mask_loss(outputs), outputs["masks"].numel())


def losses(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    return {**detection.losses(outputs), "loss_mask": mask_loss(outputs)}


def mask_loss(outputs: Mapping[str, Tensor]) -> Tensor:
    """Return the mean over all points of all masks."""
    said, masks = outputs["mask_logits"], outputs["masks"]
    return F.binary_cross_entropy_with_logits(said, masks, reduction="sum") / max(masks.numel(), 1)
