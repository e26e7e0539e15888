"""The optimizers, written once as formulas. ft_tf/optim.py holds the same formulas in TensorFlow.

Each formula is torch.optim's; it brings the slots of a parameter up to date and returns what to subtract from it. In
all of them g is the gradient, with weight_decay * w added to it where the formula does not say otherwise, and lr the
learning rate of the parameter: the schedule's times the parameter's factor. Numbers are float64 until they meet a
tensor. What keeps slots and numbers is in ft/training/updates.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, settings_of
from ft.training.updates import Updates
from ft_torch.weights import to_array

Slots = dict[str, Tensor]
PIECE = 2**16  # elements that a large parameter is updated by at a time
ROW = 2**10  # elements whose squares are added up in their own type


def sgd(
    w: Tensor,
    g: Tensor,
    slots: Slots,
    lr: float,
    *,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
) -> Tensor:
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        buf = momentum * buf + (1 - dampening) * g, the first time buf = g
        w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes.
    """
    g = decayed(w, g, weight_decay)
    if momentum:
        fresh = g * (1 - dampening) if dampening and slots["step"] > 0 else g
        buffer = slots["momentum_buffer"].mul_(momentum).add_(fresh)
        g = g + momentum * buffer if nesterov else buffer
    return g * lr


def adam(
    w: Tensor, g: Tensor, slots: Slots, lr: float, *, betas: tuple[float, float], eps: float, weight_decay: float
) -> Tensor:
    """Adam, in torch.optim.Adam's form: eps outside of the root and after the bias correction. t counts from 1.

    exp_avg = beta1 * exp_avg + (1 - beta1) * g;  exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g^2
    w -= lr / (1 - beta1^t) * exp_avg / (sqrt(exp_avg_sq) / sqrt(1 - beta2^t) + eps)
    """
    g = decayed(w, g, weight_decay)
    beta1, beta2 = betas
    t = float(slots["step"]) + 1.0
    if g.device.type == "cpu" and all(x.is_contiguous() for x in (g, slots["exp_avg"], slots["exp_avg_sq"])):
        return adam_kernel(g, slots, lr, t, betas=betas, eps=eps)
    mean = slots["exp_avg"].mul_(beta1).add_(g * (1 - beta1))
    square = slots["exp_avg_sq"].mul_(beta2).add_(g * g * (1 - beta2))
    size, root = lr / (1 - beta1**t), (1 - beta2**t) ** 0.5
    return mean / (square.sqrt() / root + eps) * size


def adam_kernel(g: Tensor, slots: Slots, lr: float, t: float, *, betas: tuple[float, float], eps: float) -> Tensor:
    """Return what `adam` does by PyTorch's own kernel, which goes over the elements once; it subtracts, here from 0."""
    change, count = torch.zeros_like(g), torch.tensor(t)
    numbers = {"lr": lr, "beta1": betas[0], "beta2": betas[1], "eps": eps, "weight_decay": 0.0}
    states = [slots["exp_avg"]], [slots["exp_avg_sq"]], [], [count]
    torch.ops.aten._fused_adam_([change], [g], *states, **numbers, amsgrad=False, maximize=False)
    return change.neg_()


def rmsprop(
    w: Tensor,
    g: Tensor,
    slots: Slots,
    lr: float,
    *,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
    weight_decay: float,
) -> Tensor:
    """RMSprop, in torch.optim.RMSprop's form: eps outside of the root.

    square_avg = alpha * square_avg + (1 - alpha) * g^2;  v = square_avg
    centered:   grad_avg = alpha * grad_avg + (1 - alpha) * g;  v = square_avg - grad_avg^2
    d = g / (sqrt(v) + eps);  momentum:  buf = momentum * buf + d;  w -= lr * (buf or d)
    """
    g = decayed(w, g, weight_decay)
    square = slots["square_avg"].mul_(alpha).add_(g * g * (1 - alpha))
    if centered:
        mean = slots["grad_avg"].mul_(alpha).add_(g * (1 - alpha))
        square = square - mean * mean
    direction = g / (square.sqrt() + eps)
    if momentum:
        direction = slots["momentum_buffer"].mul_(momentum).add_(direction)
    return direction * lr


def adagrad(
    w: Tensor,
    g: Tensor,
    slots: Slots,
    lr: float,
    *,
    lr_decay: float,
    initial_accumulator: float,
    eps: float,
    weight_decay: float,
) -> Tensor:
    """Adagrad, in torch.optim.Adagrad's form. t counts from 1; sum starts at initial_accumulator.

    sum = sum + g^2;  w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
    """
    g = decayed(w, g, weight_decay)
    size = lr / (1.0 + float(slots["step"]) * lr_decay)
    return g / (slots["sum"].add_(g * g).sqrt() + eps) * size


def lars(
    w: Tensor, g: Tensor, slots: Slots, lr: float, *, momentum: float, trust: float, eps: float, weight_decay: float
) -> Tensor:
    """Layer-wise adaptive rate scaling on SGD with momentum; g is the gradient without the decay here.

        ratio = trust * |w| / (|g| + weight_decay * |w| + eps), 1 where |w| or |g| is 0
        buf = momentum * buf + ratio * (g + weight_decay * w);  w -= lr * buf

    Tensors of at most one dimension keep ratio 1: plain SGD with momentum. The paper keeps lr inside the buffer; it
    stands outside here as in `sgd`, the same at a constant rate.
    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.
    """
    whole = decayed(w, g, weight_decay)
    if not is_vector(w):
        size, slope = w.norm(), g.norm()
        ratio = trust * size / (slope + weight_decay * size + eps)
        whole = whole * torch.where((size > 0) & (slope > 0), ratio, torch.ones_like(ratio))
    if momentum:
        whole = slots["momentum_buffer"].mul_(momentum).add_(whole)
    return whole * lr


def decayed(w: Tensor, g: Tensor, decay: float) -> Tensor:
    """Return the gradient with weight decay in it."""
    return g + decay * w if decay else g


def is_vector(w: Tensor) -> bool:
    """Tell norms and biases from weights, by their number of dimensions."""
    return w.ndim <= 1


def flattened(tensors: Sequence[Tensor]) -> list[Tensor] | None:
    """Return views of the elements of tensors as they lie in memory, None where they do not lie alike."""
    if all(x.is_contiguous() for x in tensors):
        return [x.view(-1) for x in tensors]
    if all(x.is_contiguous(memory_format=torch.channels_last) for x in tensors):
        return [x.movedim(1, -1).view(-1) for x in tensors]
    return None


class Optimizer(Updates[Tensor, Tensor, Tensor]):
    """Parameters and slots as PyTorch's tensors."""

    by_element: ClassVar[bool] = True  # whether what an element becomes depends on no other

    @torch.no_grad()
    def update(self, gradients: Mapping[str, Tensor], lr: float) -> list[Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        return super().update(gradients, lr)

    def update_one(self, name: str, w: Tensor, g: Tensor, lr: float) -> Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        slots, rate, decays = self.state[name], lr * self.rates.get(name, 1.0), self.decays(w)
        moved, change = [slot for slot in slots if slot != "step"], torch.empty_like(w)
        for own, slope, out, *states in self.pieces([w, g, change, *(slots[slot] for slot in moved)]):
            out.copy_(self.change_of(own, slope, {**slots, **dict(zip(moved, states, strict=True))}, rate, decays))
            own.sub_(out)
        if "step" in slots:
            slots["step"] += 1
        return change

    def change_of(self, w: Tensor, g: Tensor, slots: Slots, lr: float, decays: tuple[float, float]) -> Tensor:
        """Return what to subtract from a parameter, or from a piece of it."""
        inside, beside = decays
        change = self.formula(w, g, slots, lr, weight_decay=inside, **self.numbers)
        return change + (lr * beside) * w if beside else change

    def pieces(self, tensors: list[Tensor]) -> Iterable[Sequence[Tensor]]:
        """Return tensors of one shape in pieces that stay in a core's cache, where that changes no bit."""
        flat = flattened(tensors) if self.by_element and tensors[0].device.type == "cpu" else None
        return [tensors] if flat is None else zip(*(x.split(PIECE) for x in flat), strict=True)

    def is_vector(self, w: Tensor) -> bool:
        """Tell norms and biases from weights."""
        return is_vector(w)

    def new_slot(self, slot: str, w: Tensor, start: float) -> Tensor:
        """Return a slot of a parameter, filled with `start`."""
        return torch.zeros((), dtype=torch.int64) if slot == "step" else torch.full_like(w, start, requires_grad=False)

    def read(self, name: str, slot: str) -> np.ndarray:
        """Return a copy of a slot."""
        return to_array(self.state[name][slot])

    @torch.no_grad()
    def write(self, name: str, slot: str, array: np.ndarray) -> None:
        """Assign a slot."""
        self.state[name][slot].copy_(torch.from_numpy(np.require(array, requirements="W")))


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: `sgd`."""

    record, formula = RULES["sgd"], staticmethod(sgd)


class Adam(Optimizer):
    """Adam with L2 weight decay: `adam`."""

    record, formula = RULES["adam"], staticmethod(adam)


class AdamW(Adam):
    """Adam with the weight decay beside the gradient: w -= lr * weight_decay * w, as torch.optim.AdamW has it."""

    record = RULES["adamw"]


class RMSprop(Optimizer):
    """RMSprop: `rmsprop`."""

    record, formula = RULES["rmsprop"], staticmethod(rmsprop)


class Adagrad(Optimizer):
    """Adagrad: `adagrad`."""

    record, formula = RULES["adagrad"], staticmethod(adagrad)


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling: `lars`."""

    record, formula = RULES["lars"], staticmethod(lars)
    by_element = False


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
        factor = torch.clamp(norm / (total_norm(list(gradients.values())) + 1e-6), max=1.0)
        return {name: g * factor for name, g in gradients.items()}
    return gradients


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the common norm of tensors, as get_total_norm has it, summed in float64 on a CPU, whose sums are long.

    Over ten million numbers PyTorch's own sum in float32 is off by 4e-4 there.
    """
    if tensors[0].device.type != "cpu":
        return get_total_norm(tensors)
    rows = [row for tensor in tensors if tensor.numel() > ROW for row in rows_of(tensor)]
    small = [tensor for tensor in tensors if tensor.numel() <= ROW]
    norms = [torch.linalg.vector_norm(row, dim=-1).reshape(-1) for row in rows] + [get_total_norm(small).reshape(-1)]
    return torch.linalg.vector_norm(torch.cat(norms), dtype=torch.float64).to(tensors[0].dtype)


def rows_of(tensor: Tensor) -> Iterable[Tensor]:
    """Return the elements of a tensor as rows of `ROW`, and what is left."""
    (elements,) = flattened([tensor]) or [tensor.reshape(-1)]
    whole = len(elements) // ROW * ROW
    return elements[:whole].view(-1, ROW), elements[whole:]
