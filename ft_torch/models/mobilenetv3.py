"""MobileNetV3 as torchvision ships it, with the shared dropout and a hard sigmoid whose gradient is exact."""

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenetv3 as stock

from ft_torch.layers import with_shared_noise
from ft_torch.precision import as_type


def mobilenet_v3_large(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MobileNetV3-Large: images (N, 3, H, W) -> logits (N, num_classes)."""
    return adapted(stock.mobilenet_v3_large(num_classes=num_classes, dropout=dropout), dtype)


def mobilenet_v3_small(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> nn.Module:
    """Return torchvision's MobileNetV3-Small: images (N, 3, H, W) -> logits (N, num_classes)."""
    return adapted(stock.mobilenet_v3_small(num_classes=num_classes, dropout=dropout), dtype)


class Hardsigmoid(nn.Module):
    """relu6(x + 3) / 6, any shape, from torch's exact operations.

    The backward kernel of nn.Hardsigmoid multiplies by 1/6 rounded to float32, in float64 as well (measured, torch
    2.14): its float64 gradients are off by 3e-8, the only place where this network would fail the proof.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3) / 6


def adapted(model: nn.Module, dtype: str) -> nn.Module:
    """Return torchvision's model with our dropout and hard sigmoid; its tensors and their names stay."""
    for path, layer in list(model.named_modules()):
        if type(layer) is nn.Hardsigmoid:
            model.set_submodule(path, Hardsigmoid())
    return as_type(with_shared_noise(model), dtype)
