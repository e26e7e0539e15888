"""The optimizers, written once as formulas. ft_tf/optim.py holds the same formulas in TensorFlow."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


class SGD:
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        g = gradient + weight_decay * w;  buf = momentum * buf + g;  w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], *, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        self.parameters = dict(parameters)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.buffers = {name: torch.zeros_like(w) for name, w in self.parameters.items()} if momentum else {}

    @torch.no_grad()
    def update(self, gradients: Mapping[str, Tensor], lr: float) -> list[Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        return [self.update_one(name, w, gradients[name], lr) for name, w in self.parameters.items()]

    def update_one(self, name: str, w: Tensor, g: Tensor, lr: float) -> Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        if self.weight_decay:
            g = g + self.weight_decay * w
        if self.momentum:
            buffer = self.buffers[name].mul_(self.momentum).add_(g)
            g = g + self.momentum * buffer if self.nesterov else buffer
        change = g * lr
        w.sub_(change)
        return change

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the momentum buffers as `NAME.momentum_buffer`, in canonical layout."""
        return {
            f"{name}.momentum_buffer": np.array(buffer.cpu().numpy(), order="C")
            for name, buffer in self.buffers.items()
        }

    @torch.no_grad()
    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the momentum buffers; KeyError where one is missing."""
        for name, buffer in self.buffers.items():
            buffer.copy_(torch.from_numpy(np.array(slots[f"{name}.momentum_buffer"])))
