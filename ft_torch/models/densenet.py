"""DenseNet as torchvision ships it; its drop_rate of 0 leaves it without dropout."""

from torch import nn
from torchvision.models import densenet as stock

from ft_torch.precision import as_type


def densenet121(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DenseNet-121: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.densenet121(num_classes=num_classes), dtype)


def densenet161(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DenseNet-161: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.densenet161(num_classes=num_classes), dtype)


def densenet169(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DenseNet-169: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.densenet169(num_classes=num_classes), dtype)


def densenet201(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DenseNet-201: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.densenet201(num_classes=num_classes), dtype)
