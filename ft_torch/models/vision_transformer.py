"""Vision Transformer as torchvision ships it."""

from torch import nn
from torchvision.models import vision_transformer as stock

from ft_torch.precision import as_type


def vit_b_16(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ViT-B/16: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(stock.vit_b_16(num_classes=num_classes, image_size=image_size), dtype)


def vit_b_32(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ViT-B/32: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(stock.vit_b_32(num_classes=num_classes, image_size=image_size), dtype)


def vit_l_16(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ViT-L/16: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(stock.vit_l_16(num_classes=num_classes, image_size=image_size), dtype)


def vit_l_32(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ViT-L/32: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(stock.vit_l_32(num_classes=num_classes, image_size=image_size), dtype)


def vit_h_14(*, num_classes: int = 1000, image_size: int = 518, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ViT-H/14: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(stock.vit_h_14(num_classes=num_classes, image_size=image_size), dtype)
