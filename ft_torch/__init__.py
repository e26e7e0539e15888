"""The PyTorch wing: torchvision's networks, the written optimizer, one native step. Nothing is imported until used."""

from typing import TYPE_CHECKING

from ft.lazy import lazy_names

if TYPE_CHECKING:
    from ft_torch.freeze import apply_freeze, set_training_mode
    from ft_torch.frozen import split
    from ft_torch.layers import seed_noise
    from ft_torch.learner import Learner
    from ft_torch.losses import cross_entropy
    from ft_torch.models import build_model
    from ft_torch.optim import SGD
    from ft_torch.runtime import prepare
    from ft_torch.shapes import stage_shapes
    from ft_torch.stranger import Stranger
    from ft_torch.surgery import alter
    from ft_torch.trace import recording
    from ft_torch.weights import get_weights, parameters, set_weights, weight_shapes

__all__ = [
    "SGD",
    "Learner",
    "Stranger",
    "alter",
    "apply_freeze",
    "build_model",
    "cross_entropy",
    "get_weights",
    "parameters",
    "prepare",
    "recording",
    "seed_noise",
    "set_training_mode",
    "set_weights",
    "split",
    "stage_shapes",
    "weight_shapes",
]

__getattr__ = lazy_names(
    __name__,
    {
        "SGD": "optim",
        "Learner": "learner",
        "Stranger": "stranger",
        "alter": "surgery",
        "apply_freeze": "freeze",
        "build_model": "models",
        "cross_entropy": "losses",
        "get_weights": "weights",
        "parameters": "weights",
        "prepare": "runtime",
        "recording": "trace",
        "seed_noise": "layers",
        "set_training_mode": "freeze",
        "set_weights": "weights",
        "split": "frozen",
        "stage_shapes": "shapes",
        "weight_shapes": "weights",
    },
)
