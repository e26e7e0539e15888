"""EfficientNet, V1 and V2, as torchvision ships them, with the shared dropout and stochastic depth."""

from torch import nn
from torchvision.models import efficientnet as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def efficientnet_b0(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B0: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b0(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b1(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B1: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b1(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b2(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B2: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b2(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b3(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B3: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b3(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b4(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B4: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b4(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b5(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B5: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b5(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b6(
    *, num_classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B6: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b6(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_b7(
    *, num_classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNet-B7: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_b7(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_v2_s(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNetV2-S: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_v2_s(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_v2_m(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNetV2-M: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_v2_m(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)


def efficientnet_v2_l(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's EfficientNetV2-L: images (N, 3, H, W) -> logits (N, num_classes)."""
    model = stock.efficientnet_v2_l(num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth)
    return as_type(with_shared_noise(model), dtype)
