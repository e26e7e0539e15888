"""MobileNetV2 as torchvision ships it, with the shared dropout."""

from torch import nn
from torchvision.models import mobilenetv2 as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def mobilenet_v2(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MobileNetV2: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_shared_noise(stock.mobilenet_v2(num_classes=num_classes, dropout=dropout)), dtype)
