"""Bilinear resizing."""

from torch import Tensor
from torch.nn import functional as F


def resize_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (N, C, h, w) at another size (H, W), as torchvision does; the hub's weights take twice as long here."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
