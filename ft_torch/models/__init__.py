"""The networks of the PyTorch wing, one function each; `build_model` finds them by name."""

from collections.abc import Mapping

from torch import nn

from ft.errors import RecipeError, unknown
from ft_torch.models.efficientnet_lite import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from ft_torch.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152

__all__ = [
    "build_model",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]


def build_model(
    name: str, *, num_classes: int = 1000, dtype: str = "float32", noise: Mapping[str, float] | None = None
) -> nn.Module:
    """Build the network called `name`; `noise` holds the rates of the noise layers that its function takes."""
    builders = {builder: globals()[builder] for builder in __all__ if builder != "build_model"}
    if name not in builders:
        raise RecipeError(unknown("model", name, builders))
    return builders[name](num_classes=num_classes, dtype=dtype, **(noise or {}))
