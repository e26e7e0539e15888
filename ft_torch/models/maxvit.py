"""MaxViT as torchvision ships it."""

from torch import nn
from torchvision.models import maxvit as stock

from ft.zoo.maxvit import rates
from ft_torch.layers import StochasticDepth
from ft_torch.precision import as_type

NOISE = (
    "layers.MBconv.stochastic_depth",
    "layers.window_attention.stochastic_dropout",
    "layers.grid_attention.stochastic_dropout",
)


def maxvit_t(
    *, num_classes: int = 1000, stochastic_depth: float = 0.2, image_size: int = 224, dtype: str = "float32"
) -> nn.Module:
    """Return torchvision's MaxViT-T: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    model = stock.maxvit_t(num_classes=num_classes, input_size=(image_size, image_size))
    return as_type(with_rate(model, stochastic_depth), dtype)


def with_rate(model: nn.Module, stochastic_depth: float) -> nn.Module:
    """Return the model with our stochastic depth at this rate: torchvision's function takes no other than its own."""
    layers = [module for module in model.modules() if isinstance(module, stock.MaxVitLayer)]
    for layer, rate in zip(layers, rates(stochastic_depth), strict=True):
        for place in NOISE:
            layer.set_submodule(place, StochasticDepth(rate, "row"))
    return model
