"""Objects with keypoints: the losses of detection, and one more of keypoints, of what a step drew: torchvision's.

The mean, over the keypoints that the drawn boxes of objects show, of the cross-entropy over the places of a heatmap;
without one it is 0.
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
    """Return the losses as sums, of anchors, of boxes and of keypoints, see detection.py."""
    return one_more(detection.terms(outputs), point_loss(outputs), len(outputs["cells"]))


def losses(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    return {**detection.losses(outputs), "loss_keypoint": point_loss(outputs)}


def point_loss(outputs: Mapping[str, Tensor]) -> Tensor:
    """Return the mean over all keypoints."""
    said, cells = outputs["heatmaps"], outputs["cells"]
    return F.cross_entropy(said, cells, reduction="sum") / max(len(cells), 1)
