"""ShuffleNetV2 as torchvision ships it."""

from torch import nn
from torchvision.models import shufflenetv2 as stock

from ft_torch.precision import as_type


def shufflenet_v2_x0_5(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ShuffleNetV2 x0.5: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.shufflenet_v2_x0_5(num_classes=num_classes), dtype)


def shufflenet_v2_x1_0(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ShuffleNetV2 x1.0: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.shufflenet_v2_x1_0(num_classes=num_classes), dtype)


def shufflenet_v2_x1_5(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ShuffleNetV2 x1.5: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.shufflenet_v2_x1_5(num_classes=num_classes), dtype)


def shufflenet_v2_x2_0(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's ShuffleNetV2 x2.0: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(stock.shufflenet_v2_x2_0(num_classes=num_classes), dtype)
