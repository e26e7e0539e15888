"""The optimizer of a model of the user's own."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ft.errors import RecipeError
from ft.parity.foreign.code import OPTIMIZER, blamed
from ft_torch.weights import to_array


class OwnOptimizer:
    """The optimizer that the user's `make_optimizer(model)` returns, driven by gradients from outside.

    What it subtracts is known only up to the rounding of the weights that it has changed.
    """

    def __init__(self, make: Callable[[Any], Any], model: nn.Module, parameters: Mapping[str, Tensor]) -> None:
        with blamed(f"{OPTIMIZER}(model) failed"):
            self.own = make(model)
        if not isinstance(self.own, torch.optim.Optimizer):
            raise RecipeError(f"{OPTIMIZER} returns a {type(self.own).__name__}; expected a torch.optim.Optimizer")
        self.parameters, self.lr = dict(parameters), float(self.own.param_groups[0]["lr"])

    def update(self, gradients: Mapping[str, Tensor], lr: float) -> list[Tensor]:
        """Do one step and return what was subtracted from each weight; the rate is the optimizer's own."""
        before = [w.detach().clone() for w in self.parameters.values()]
        for name, w in self.parameters.items():
            w.grad = gradients[name]
        with blamed(f"the optimizer of {OPTIMIZER} failed"):
            self.own.step()
        return [old - w.detach() for old, w in zip(before, self.parameters.values(), strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the state that has a weight's shape, as `NAME.momentum_buffer` and the like."""
        return {
            f"{name}.{key}": to_array(x)
            for name, w in self.parameters.items()
            for key, x in self.own.state.get(w, {}).items()
            if isinstance(x, Tensor) and x.shape == w.shape
        }
