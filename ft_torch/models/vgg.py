"""VGG as torchvision ships it."""

from torch import nn
from torchvision.models import vgg as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def vgg11(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-11: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg11(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg11_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-11 with BatchNorm: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg11_bn(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg13(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-13: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg13(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg13_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-13 with BatchNorm: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg13_bn(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg16(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-16: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg16(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg16_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-16 with BatchNorm: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg16_bn(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg19(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-19: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg19(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def vgg19_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's VGG-19 with BatchNorm: images (N, 3, H, W) -> logits (N, num_classes)."""
    return finish(stock.vgg19_bn(num_classes=num_classes, dropout=dropout, init_weights=False), dtype)


def finish(model: nn.Module, dtype: str) -> nn.Module:
    """Return torchvision's model with our noise layers, in `dtype`."""
    return as_type(with_shared_noise(model), dtype)
