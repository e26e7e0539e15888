"""Objects with masks: the losses of detection, and one more of masks, of what a step drew: torchvision's.

The mean over all points of the masks of the drawn boxes that are of an object, a yes or no each; without one it is 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft_torch.tasks import detection
from ft_torch.tasks.detection import right

__all__ = ["loss", "losses", "right"]


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    return torch.stack(list(losses(outputs).values())).sum()


def losses(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    said, masks = outputs["mask_logits"], outputs["masks"]
    total = F.binary_cross_entropy_with_logits(said, masks, reduction="sum")
    return {**detection.losses(outputs), "loss_mask": total / max(masks.numel(), 1)}
