"""Swin Transformer as torchvision ships it."""

from torch import nn
from torchvision.models import swin_transformer as stock

from ft.zoo.swin_transformer import SHAPES
from ft_torch.layers import StochasticDepth
from ft_torch.precision import as_type


def swin_t(*, num_classes: int = 1000, stochastic_depth: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin-T: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_t", stock.swin_t(num_classes=num_classes), stochastic_depth), dtype)


def swin_s(*, num_classes: int = 1000, stochastic_depth: float = 0.3, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin-S: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_s", stock.swin_s(num_classes=num_classes), stochastic_depth), dtype)


def swin_b(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin-B: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_b", stock.swin_b(num_classes=num_classes), stochastic_depth), dtype)


def swin_v2_t(*, num_classes: int = 1000, stochastic_depth: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin v2-T: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_v2_t", stock.swin_v2_t(num_classes=num_classes), stochastic_depth), dtype)


def swin_v2_s(*, num_classes: int = 1000, stochastic_depth: float = 0.3, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin v2-S: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_v2_s", stock.swin_v2_s(num_classes=num_classes), stochastic_depth), dtype)


def swin_v2_b(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's Swin v2-B: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(with_rate("swin_v2_b", stock.swin_v2_b(num_classes=num_classes), stochastic_depth), dtype)


def with_rate(name: str, model: nn.Module, stochastic_depth: float) -> nn.Module:
    """Return the model with our stochastic depth at this rate: torchvision's functions take no other than their own."""
    blocks = [module for module in model.modules() if isinstance(module, stock.SwinTransformerBlock)]
    for block, rate in zip(blocks, SHAPES[name].rates(stochastic_depth), strict=True):
        block.stochastic_depth = StochasticDepth(rate, "row")
    return model
