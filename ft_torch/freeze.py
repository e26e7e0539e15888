"""A freezing plan applied to a PyTorch model."""

from torch import nn

from ft.network.freeze import Freeze
from ft_torch.weights import parameters


def apply_freeze(model: nn.Module, plan: Freeze) -> None:
    """Clear requires_grad of every parameter that does not train."""
    for name, parameter in parameters(model).items():
        parameter.requires_grad_(name in plan.trainable)


def set_training_mode(model: nn.Module, plan: Freeze) -> None:
    """Switch to training mode but for the stages that run in inference mode: model.train() alone would undo them."""
    for name, module in model.named_modules():
        module.training = not plan.is_still(name)
