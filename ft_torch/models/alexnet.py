"""AlexNet as torchvision ships it."""

from torch import nn
from torchvision.models import alexnet as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def alexnet(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's AlexNet: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock(num_classes=num_classes, dropout=dropout)), dtype)
