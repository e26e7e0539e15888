"""MNASNet as torchvision ships it, with the shared dropout."""

from torch import nn
from torchvision.models import mnasnet as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def mnasnet0_5(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MNASNet 0.5: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.mnasnet0_5(num_classes=num_classes, dropout=dropout)), dtype)


def mnasnet0_75(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MNASNet 0.75: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.mnasnet0_75(num_classes=num_classes, dropout=dropout)), dtype)


def mnasnet1_0(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MNASNet 1.0: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.mnasnet1_0(num_classes=num_classes, dropout=dropout)), dtype)


def mnasnet1_3(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MNASNet 1.3: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.mnasnet1_3(num_classes=num_classes, dropout=dropout)), dtype)
