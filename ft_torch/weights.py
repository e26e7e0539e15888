"""PyTorch model <-> canonical tensors: torchvision's names, layouts and shapes, as NumPy arrays."""

from collections.abc import Container, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ft.weights.match import match_weights


def building_empty() -> AbstractContextManager[object]:
    """Return a context in which networks are built without memory for their weights."""
    return torch.device("meta")


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


def own_names(model: nn.Module, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return canonical tensors by the names and in the layouts of the framework's own files: here they are the same."""
    return {name: tensors[name] for name in model.state_dict()}


def write_weights(model: nn.Module, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Write canonical tensors as the model's state dict, .pth or .pt; they keep their types, the model may be empty."""
    state = model.state_dict()  # which carries the versions of the modules' formats: MNASNet does not load without
    for name in state:
        state[name] = to_tensor(tensors[name])
    with open(path, "wb") as file:  # by its name, torch.save would write that into the archive
        torch.save(state, file)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor; NumPy's bfloat16 is unknown to torch, so it goes over as bits."""
    array = np.require(array, requirements=["C", "W"])
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def weight_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the canonical shape of every parameter and buffer."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters, all buffers left out, by canonical name."""
    return dict(model.named_parameters())
