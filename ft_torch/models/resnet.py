"""ResNet, ResNeXt and Wide ResNet as torchvision ships them."""

from torch import nn
from torchvision.models import resnet as stock

from ft_torch.precision import as_type


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


def resnext50_32x4d(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNeXt-50, 32 groups of 4 channels: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.resnext50_32x4d(num_classes=num_classes), dtype)


def resnext101_32x8d(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNeXt-101, 32 groups of 8 channels: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.resnext101_32x8d(num_classes=num_classes), dtype)


def resnext101_64x4d(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ResNeXt-101, 64 groups of 4 channels: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.resnext101_64x4d(num_classes=num_classes), dtype)


def wide_resnet50_2(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Wide ResNet-50, 3x3 convolutions twice as wide: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.wide_resnet50_2(num_classes=num_classes), dtype)


def wide_resnet101_2(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Wide ResNet-101, 3x3 convolutions twice as wide: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(stock.wide_resnet101_2(num_classes=num_classes), dtype)
