"""ResNet as torchvision ships it."""

from torch import nn
from torchvision.models import resnet as stock

from ft_torch.layers import as_type


def resnet18(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNet-18: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.resnet18(num_classes=num_classes), dtype)


def resnet34(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNet-34: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.resnet34(num_classes=num_classes), dtype)


def resnet50(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNet-50, strides in the 3x3 convolutions: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.resnet50(num_classes=num_classes), dtype)


def resnet101(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNet-101: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.resnet101(num_classes=num_classes), dtype)


def resnet152(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNet-152: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.resnet152(num_classes=num_classes), dtype)
