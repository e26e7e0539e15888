"""PyTorch model <-> canonical tensors: torchvision's names, layouts and shapes, as NumPy arrays."""

from collections.abc import Container, Mapping

import numpy as np
import torch
from torch import nn

from ft.weights.match import match_weights


def get_weights(model: nn.Module, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
    """Return a copy of every parameter and buffer, but those to leave out, by canonical name."""
    return {name: to_array(tensor) for name, tensor in model.state_dict().items() if name not in leave_out}


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor in the canonical layout; without order "C" channels-last ones keep their strides."""
    return np.array(tensor.detach().cpu().numpy(), order="C")


@torch.no_grad()
def set_weights(model: nn.Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Assign every parameter and buffer, cast to its own type; names and shapes must be exactly the model's."""
    tensors = match_weights(tensors, weight_shapes(model)).tensors
    for name, tensor in model.state_dict().items():
        tensor.copy_(torch.from_numpy(np.require(tensors[name], requirements="W")))


def weight_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the canonical shape of every parameter and buffer."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters, all buffers left out, by canonical name."""
    return dict(model.named_parameters())
