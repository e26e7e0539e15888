"""Bilinear resizing."""

from torch import Tensor
from torch.nn import functional as F


def resize_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (N, C, h, w) at another size (H, W), as torchvision does; by the hub's weights it takes longer."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
