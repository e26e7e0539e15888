"""ConvNeXt as torchvision ships it."""

from torch import nn
from torchvision.models import convnext as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def convnext_tiny(*, num_classes: int = 1000, stochastic_depth: float = 0.1, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ConvNeXt-Tiny: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.convnext_tiny(num_classes=num_classes, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def convnext_small(*, num_classes: int = 1000, stochastic_depth: float = 0.4, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ConvNeXt-Small: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.convnext_small(num_classes=num_classes, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def convnext_base(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ConvNeXt-Base: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.convnext_base(num_classes=num_classes, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def convnext_large(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ConvNeXt-Large: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.convnext_large(num_classes=num_classes, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)
