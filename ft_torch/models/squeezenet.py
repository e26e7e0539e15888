"""SqueezeNet as torchvision ships it."""

from torch import nn
from torchvision.models import squeezenet as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def squeezenet1_0(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's SqueezeNet 1.0: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.squeezenet1_0(num_classes=num_classes, dropout=dropout)), dtype)


def squeezenet1_1(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's SqueezeNet 1.1, which pools earlier: (N, 3, H, W) -> (N, num_classes)."""
    return as_type(with_shared_noise(stock.squeezenet1_1(num_classes=num_classes, dropout=dropout)), dtype)
