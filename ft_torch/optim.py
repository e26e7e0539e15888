"""The optimizers, written once as formulas. ft_tf/optim.py holds the same formulas in TensorFlow.

Each class is its formula, torch.optim's, and what it keeps of a parameter. In all of them g is the gradient, with
weight_decay * w added to it where the formula does not say otherwise, and lr the learning rate of the parameter: the
schedule's times the parameter's factor. Numbers are float64 until they meet a tensor.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, settings_of
from ft_torch.weights import to_array


class Optimizer:
    """What all formulas share: the parameters, their slots, and which learning rate and decay each one gets.

    rates: factors of the learning rate, 1 for a parameter that is not named; decay_vectors: whether weight decay goes
    to norms and biases too, which are the tensors of at most one dimension. `slots` names what a formula keeps; `step`
    is the number of updates before this one, counted for each parameter as torch.optim does: one that is unfrozen later
    starts from 0.
    """

    slots: tuple[str, ...] = ()
    decoupled: ClassVar[bool] = False  # whether weight decay stands beside the gradient

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        weight_decay: float = 0.0,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.parameters = dict(parameters)
        self.rates, self.weight_decay, self.decay_vectors = dict(rates or {}), weight_decay, decay_vectors
        self.state = {name: {slot: self.zeros(slot, w) for slot in self.slots} for name, w in self.parameters.items()}

    def zeros(self, slot: str, w: Tensor) -> Tensor:
        """Return what a slot starts from."""
        return torch.zeros((), dtype=torch.int64) if slot == "step" else torch.zeros_like(w)

    @torch.no_grad()
    def update(self, gradients: Mapping[str, Tensor], lr: float) -> list[Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        return [self.update_one(name, w, gradients[name], lr) for name, w in self.parameters.items()]

    def update_one(self, name: str, w: Tensor, g: Tensor, lr: float) -> Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        decay = self.weight_decay if self.decay_vectors or not is_vector(w) else 0.0
        lr = lr * self.rates.get(name, 1.0)
        change = self.change(w, self.decayed(w, g, decay), lr, self.state[name])
        if decay and self.decoupled:
            change = change + (lr * decay) * w
        if "step" in self.slots:
            self.state[name]["step"] += 1
        w.sub_(change)
        return change

    def decayed(self, w: Tensor, g: Tensor, decay: float) -> Tensor:
        """Return the gradient with weight decay in it."""
        return g + decay * w if decay and not self.decoupled else g

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract from a parameter, and bring its slots up to date: the formula."""
        raise NotImplementedError

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the slots as `NAME.SLOT`, in canonical layout."""
        return {
            f"{name}.{slot}": to_array(tensor) for name, state in self.state.items() for slot, tensor in state.items()
        }

    @torch.no_grad()
    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the slots; KeyError where one is missing."""
        for name, state in self.state.items():
            for slot, tensor in state.items():
                tensor.copy_(torch.from_numpy(np.require(slots[f"{name}.{slot}"], requirements="W")))


class SGD(Optimizer):
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        buf = momentum * buf + (1 - dampening) * g, the first time buf = g
        w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        dampening: float = 0.0,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.momentum, self.nesterov, self.dampening = momentum, nesterov, dampening
        self.slots = RULES["sgd"].slots_with(momentum=momentum, dampening=dampening)
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract."""
        if self.momentum:
            fresh = g * (1 - self.dampening) if self.dampening and state["step"] > 0 else g
            buffer = state["momentum_buffer"].mul_(self.momentum).add_(fresh)
            g = g + self.momentum * buffer if self.nesterov else buffer
        return g * lr


class Adam(Optimizer):
    """Adam, in torch.optim.Adam's form: eps outside of the root and after the bias correction. t counts from 1.

    exp_avg = beta1 * exp_avg + (1 - beta1) * g;  exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g^2
    w -= lr / (1 - beta1^t) * exp_avg / (sqrt(exp_avg_sq) / sqrt(1 - beta2^t) + eps)
    """

    slots = RULES["adam"].slots_with()

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.betas, self.eps = betas, eps
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract."""
        beta1, beta2 = self.betas
        t = float(state["step"]) + 1.0
        mean = state["exp_avg"].mul_(beta1).add_(g * (1 - beta1))
        square = state["exp_avg_sq"].mul_(beta2).add_(g * g * (1 - beta2))
        size, root = lr / (1 - beta1**t), (1 - beta2**t) ** 0.5
        return mean / (square.sqrt() / root + self.eps) * size


class AdamW(Adam):
    """Adam with the weight decay beside the gradient: w -= lr * weight_decay * w, as torch.optim.AdamW has it."""

    decoupled = RULES["adamw"].decoupled


class RMSprop(Optimizer):
    """RMSprop, in torch.optim.RMSprop's form: eps outside of the root.

    square_avg = alpha * square_avg + (1 - alpha) * g^2;  v = square_avg
    centered:   grad_avg = alpha * grad_avg + (1 - alpha) * g;  v = square_avg - grad_avg^2
    d = g / (sqrt(v) + eps);  momentum:  buf = momentum * buf + d;  w -= lr * (buf or d)
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        alpha: float,
        eps: float,
        momentum: float,
        centered: bool,
        weight_decay: float,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.alpha, self.eps, self.momentum, self.centered = alpha, eps, momentum, centered
        self.slots = RULES["rmsprop"].slots_with(centered=centered, momentum=momentum)
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract."""
        square = state["square_avg"].mul_(self.alpha).add_(g * g * (1 - self.alpha))
        if self.centered:
            mean = state["grad_avg"].mul_(self.alpha).add_(g * (1 - self.alpha))
            square = square - mean * mean
        direction = g / (square.sqrt() + self.eps)
        if self.momentum:
            direction = state["momentum_buffer"].mul_(self.momentum).add_(direction)
        return direction * lr


class Adagrad(Optimizer):
    """Adagrad, in torch.optim.Adagrad's form. t counts from 1; sum starts at initial_accumulator.

    sum = sum + g^2;  w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
    """

    slots = RULES["adagrad"].slots_with()

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        lr_decay: float,
        initial_accumulator: float,
        eps: float,
        weight_decay: float,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.lr_decay, self.initial_accumulator, self.eps = lr_decay, initial_accumulator, eps
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def zeros(self, slot: str, w: Tensor) -> Tensor:
        """Return what a slot starts from."""
        start = super().zeros(slot, w)
        return start + self.initial_accumulator if slot == "sum" else start

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract."""
        size = lr / (1.0 + float(state["step"]) * self.lr_decay)
        return g / (state["sum"].add_(g * g).sqrt() + self.eps) * size


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling on SGD with momentum; g is the gradient without the decay here.

        ratio = trust * |w| / (|g| + weight_decay * |w| + eps), 1 where |w| or |g| is 0
        buf = momentum * buf + ratio * (g + weight_decay * w);  w -= lr * buf

    Tensors of at most one dimension keep ratio 1: plain SGD with momentum. The paper keeps lr inside the buffer; it
    stands outside here as in SGD above, the same at a constant rate.
    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        momentum: float,
        trust: float,
        eps: float,
        weight_decay: float,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.momentum, self.trust, self.eps = momentum, trust, eps
        self.slots = RULES["lars"].slots_with(momentum=momentum)
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def decayed(self, w: Tensor, g: Tensor, decay: float) -> Tensor:
        """Return the gradient with weight decay in it, times the trust ratio."""
        whole = super().decayed(w, g, decay)
        if is_vector(w):
            return whole
        size, slope = w.norm(), g.norm()
        ratio = self.trust * size / (slope + decay * size + self.eps)
        return whole * torch.where((size > 0) & (slope > 0), ratio, torch.ones_like(ratio))

    def change(self, w: Tensor, g: Tensor, lr: float, state: dict[str, Tensor]) -> Tensor:
        """Return what to subtract."""
        if self.momentum:
            g = state["momentum_buffer"].mul_(self.momentum).add_(g)
        return g * lr


OPTIMIZERS: dict[str, type[Any]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "lars": LARS,
}


def make_optimizer(parameters: Mapping[str, Tensor], *, recipe: Recipe, rates: Mapping[str, float]) -> Optimizer:
    """Return a recipe's optimizer of these parameters; rates: their factors of the learning rate."""
    make = OPTIMIZERS[recipe.optimizer]
    return make(parameters, rates=rates, decay_vectors=recipe.decay_exempt == "none", **settings_of(recipe))


def clip_gradients(
    gradients: Mapping[str, Tensor], *, norm: float | None = None, value: float | None = None
) -> Mapping[str, Tensor]:
    """Return gradients scaled so that their common norm is at most `norm`, or cut to [-value, value].

    The factor min(norm / (|g| + 1e-6), 1) is that of torch.nn.utils.clip_grad_norm_.
    """
    if value is not None:
        return {name: g.clamp(-value, value) for name, g in gradients.items()}
    if norm is not None:
        factor = torch.clamp(norm / (get_total_norm(list(gradients.values())) + 1e-6), max=1.0)
        return {name: g * factor for name, g in gradients.items()}
    return gradients


def is_vector(w: Tensor) -> bool:
    """Tell norms and biases from weights, by their number of dimensions."""
    return w.ndim <= 1
