"""Other optimizers for a learner: the frameworks' own, and formulas that work on tensors of either framework.

Each has what a wing's own optimizer has: `parameters`, `update` and `get_slots`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch

Rule = Callable[[Any, Any, float, dict[str, Any]], Any]  # weight, gradient, rate, memory -> what to subtract


class OfTorch:
    """An optimizer of torch.optim; `make` gets the list of parameters."""

    def __init__(self, parameters: Mapping[str, torch.Tensor], make: Callable[[list], torch.optim.Optimizer]) -> None:
        self.parameters = dict(parameters)
        self.optimizer = make(list(self.parameters.values()))

    def update(self, gradients: Mapping[str, torch.Tensor], lr: float) -> list[torch.Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        before = [w.detach().clone() for w in self.parameters.values()]
        for name, w in self.parameters.items():
            w.grad = gradients[name]
        for group in self.optimizer.param_groups:
            group["lr"] = float(lr)
        self.optimizer.step()
        return [old - w.detach() for old, w in zip(before, self.parameters.values(), strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return nothing: what an optimizer keeps differs from framework to framework by its nature."""
        return {}


class OfKeras:
    """An optimizer of keras.optimizers."""

    def __init__(self, parameters: Mapping[str, keras.Variable], optimizer: keras.optimizers.Optimizer) -> None:
        self.parameters, self.optimizer = dict(parameters), optimizer

    def update(self, gradients: Mapping[str, Any], lr: Any) -> list[Any]:
        """Change the parameters in place and return what was subtracted from each."""
        variables = list(self.parameters.values())
        before = [w.value + 0 for w in variables]
        self.optimizer.learning_rate = float(lr)
        self.optimizer.apply([gradients[name] for name in self.parameters], variables)
        return [old - w.value for old, w in zip(before, variables, strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return nothing, as OfTorch does."""
        return {}


class Written:
    """An optimizer as a formula, for either framework. clip: what is done to all gradients before it."""

    def __init__(
        self, parameters: Mapping[str, Any], rule: Rule, clip: Callable[[Sequence[Any]], list[Any]] = list
    ) -> None:
        self.parameters, self.rule, self.clip = dict(parameters), rule, clip
        self.memory: dict[str, dict[str, Any]] = {name: {} for name in self.parameters}

    def update(self, gradients: Mapping[str, Any], lr: Any) -> list[Any]:
        """Change the parameters in place and return what was subtracted from each."""
        clipped = self.clip([gradients[name] for name in self.parameters])
        changes = []
        for (name, w), g in zip(self.parameters.items(), clipped, strict=True):
            value: Any = w.detach() if isinstance(w, torch.Tensor) else w.value
            changes.append(self.rule(value, g, float(lr), self.memory[name]))
            value.sub_(changes[-1]) if isinstance(w, torch.Tensor) else value.assign_sub(changes[-1])
        return changes

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return nothing, as OfTorch does."""
        return {}


def sgd(
    *, momentum: float = 0.0, nesterov: bool = False, decay: float = 0.0, decoupled: bool = False, folded: bool = False
) -> Rule:
    """Return a form of SGD: decay beside the update or in the gradient, the rate inside the buffer or outside."""

    def rule(w: Any, g: Any, lr: float, memory: dict[str, Any]) -> Any:
        shrink = lr * decay * w if decoupled else 0.0 * w
        g = g if decoupled else g + decay * w
        g, rate = (lr * g, 1.0) if folded else (g, lr)
        memory["buffer"] = momentum * memory.get("buffer", 0.0 * g) + g
        return rate * (g + momentum * memory["buffer"] if nesterov else memory["buffer"]) + shrink

    return rule


def adam(*, eps: float, hat: bool = False, decay: float = 0.0, decoupled: bool = False) -> Rule:
    """Return Adam with the usual betas; hat: eps is added before the bias correction."""

    def rule(w: Any, g: Any, lr: float, memory: dict[str, Any]) -> Any:
        g = g if decoupled else g + decay * w
        memory["t"] = t = memory.get("t", 0) + 1
        memory["m"] = 0.9 * memory.get("m", 0.0 * g) + 0.1 * g
        memory["v"] = 0.999 * memory.get("v", 0.0 * g) + 0.001 * g * g
        root = (1 - 0.999**t) ** 0.5
        below = memory["v"] ** 0.5 / root + (eps / root if hat else eps)
        return lr * memory["m"] / (1 - 0.9**t) / below + (lr * decay * w if decoupled else 0.0 * w)

    return rule


def clip_all(limit: float) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what divides all gradients by one number, so that their common norm is at most `limit`."""
    return lambda gradients: [g * min(limit / norm(*gradients), 1.0) for g in gradients]


def clip_each(limit: float) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what divides each gradient so that its own norm is at most `limit`."""
    return lambda gradients: [g * min(limit / norm(g), 1.0) for g in gradients]


def norm(*tensors: Any) -> float:
    """Return the common norm of tensors."""
    return float(np.sqrt(sum(np.square(np.asarray(x)).sum() for x in tensors)))
