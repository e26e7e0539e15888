"""Two models with their arrays under common names, in PyTorch's layout."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ft.parity.foreign.code import require_numbers


class InCommon:
    """A model as `write_trace` takes it, with its outputs under their common names and in PyTorch's layout."""

    def __init__(self, model: Any, names: Mapping[str, str], shapes: Mapping[str, Any], still: Collection[str]) -> None:
        self.still = set(still)
        self.learner, self.model, self.names = model, model.model, names
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.learner, name)

    def common(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return outputs under their common names."""
        return {name: taken_back(outputs[own], self.shapes[name]) for own, name in self.names.items()}

    def outputs(self, inputs: Any) -> dict[str, np.ndarray]:
        """Return outputs in inference mode."""
        outputs = self.common(self.learner.outputs(inputs))
        require_numbers(outputs)
        return outputs

    def gradients(self, batch: Any, *, step: int) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and gradients of a training step."""
        loss, outputs, gradients = self.learner.gradients(batch, step=step)
        return loss, self.common(outputs), self.trained(gradients)

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step; return what was subtracted."""
        return self.trained(self.learner.update(gradients, lr=lr))

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the state of the optimizers."""
        slots = self.learner.get_slots()
        return {name: x for name, x in slots.items() if name.rpartition(".")[0] not in self.still}

    def trained(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return arrays by parameter without those that one model does not train."""
        return {name: x for name, x in arrays.items() if name not in self.still}


def laid_out(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array in PyTorch's layout as a side has it that gives outputs of some shape."""
    return moved(array, shape, 1, -1)


def taken_back(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an output of a side in PyTorch's layout."""
    return moved(array, shape, -1, 1)


def moved(array: np.ndarray, shape: tuple[int, ...], axis: int, place: int) -> np.ndarray:
    """Return an array of some shape: as it is, with an axis in another place where that fits, or reshaped."""
    if array.shape == shape:
        return array
    turned = np.moveaxis(array, axis, place) if array.ndim > 1 else array
    return np.ascontiguousarray(turned if turned.shape == shape else array.reshape(shape))
