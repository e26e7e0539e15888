"""The optimizers, written once as formulas. ft_torch/optim.py holds the same formulas in PyTorch.

Each class is its formula, torch.optim's, and what it keeps of a parameter. In all of them g is the gradient, with
weight_decay * w added to it where the formula does not say otherwise, and lr the learning rate of the parameter: the
schedule's times the parameter's factor. Numbers are float64 until they meet a tensor.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, settings_of
from ft.weights.layouts import canonical_shape, from_canonical
from ft_tf.weights import layout_of, to_array

State = dict[str, tf.Variable]


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
        parameters: Mapping[str, keras.Variable],
        *,
        weight_decay: float = 0.0,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.parameters = dict(parameters)
        self.rates, self.weight_decay, self.decay_vectors = dict(rates or {}), weight_decay, decay_vectors
        self.state = {
            name: {slot: tf.Variable(self.zeros(slot, w), trainable=False) for slot in self.slots}
            for name, w in self.parameters.items()
        }

    def zeros(self, slot: str, w: keras.Variable) -> tf.Tensor:
        """Return what a slot starts from."""
        return tf.zeros((), tf.int64) if slot == "step" else tf.zeros(w.shape, w.dtype)

    def update(self, gradients: Mapping[str, tf.Tensor], lr: tf.Tensor) -> list[tf.Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        return [self.update_one(name, w, gradients[name], lr) for name, w in self.parameters.items()]

    def update_one(self, name: str, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        decay = self.weight_decay if self.decay_vectors or not is_vector(w) else 0.0
        if name in self.rates:  # a product for each parameter makes a graph longer
            lr = lr * tf.constant(self.rates[name], lr.dtype)
        change = self.change(w, self.decayed(w, g, decay), lr, self.state[name])
        if decay and self.decoupled:
            change = change + tf.cast(lr * decay, g.dtype) * w.value
        if "step" in self.slots:
            self.state[name]["step"].assign_add(1)
        w.value.assign_sub(change)
        return change

    def decayed(self, w: keras.Variable, g: tf.Tensor, decay: float) -> tf.Tensor:
        """Return the gradient with weight decay in it."""
        return g + decay * w.value if decay and not self.decoupled else g

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract from a parameter, and bring its slots up to date: the formula."""
        raise NotImplementedError

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the slots as `NAME.SLOT`, in canonical layout."""
        return {
            f"{name}.{slot}": to_array(variable, self.layout(name, slot))
            for name, state in self.state.items()
            for slot, variable in state.items()
        }

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the slots; KeyError where one is missing."""
        for name, state in self.state.items():
            for slot, variable in state.items():
                variable.assign(from_canonical(np.asarray(slots[f"{name}.{slot}"]), self.layout(name, slot)))

    def layout(self, name: str, slot: str) -> str:
        """Return the layout of a slot: its parameter's, but for a count."""
        return "same" if slot == "step" else layout_of(self.parameters[name])


class SGD(Optimizer):
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        buf = momentum * buf + (1 - dampening) * g, the first time buf = g
        w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes, and
    keeps lr as a float32 variable, which alone moves a float64 loss by 5e-9 within three steps.
    """

    def __init__(
        self,
        parameters: Mapping[str, keras.Variable],
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

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract."""
        if self.momentum:
            fresh = tf.where(state["step"] > 0, g * (1 - self.dampening), g) if self.dampening else g
            buffer = state["momentum_buffer"].assign(self.momentum * state["momentum_buffer"] + fresh)
            g = g + self.momentum * buffer if self.nesterov else buffer
        return g * tf.cast(lr, g.dtype)


class Adam(Optimizer):
    """Adam, in torch.optim.Adam's form: eps outside of the root and after the bias correction. t counts from 1.

    exp_avg = beta1 * exp_avg + (1 - beta1) * g;  exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g^2
    w -= lr / (1 - beta1^t) * exp_avg / (sqrt(exp_avg_sq) / sqrt(1 - beta2^t) + eps)
    """

    slots = RULES["adam"].slots_with()

    def __init__(
        self,
        parameters: Mapping[str, keras.Variable],
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
    ) -> None:
        self.betas, self.eps = betas, eps
        super().__init__(parameters, weight_decay=weight_decay, rates=rates, decay_vectors=decay_vectors)

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract."""
        beta1, beta2 = self.betas
        t = tf.cast(state["step"], tf.float64) + 1.0
        mean = state["exp_avg"].assign(beta1 * state["exp_avg"] + g * (1 - beta1))
        square = state["exp_avg_sq"].assign(beta2 * state["exp_avg_sq"] + g * g * (1 - beta2))
        corrections = 1 - tf.pow(tf.constant(self.betas, tf.float64), t)
        size, root = lr / corrections[0], tf.sqrt(corrections[1])
        return mean / (tf.sqrt(square) / tf.cast(root, g.dtype) + self.eps) * tf.cast(size, g.dtype)


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
        parameters: Mapping[str, keras.Variable],
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

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract."""
        square = state["square_avg"].assign(self.alpha * state["square_avg"] + g * g * (1 - self.alpha))
        if self.centered:
            mean = state["grad_avg"].assign(self.alpha * state["grad_avg"] + g * (1 - self.alpha))
            square = square - mean * mean
        direction = g / (tf.sqrt(square) + self.eps)
        if self.momentum:
            direction = state["momentum_buffer"].assign(self.momentum * state["momentum_buffer"] + direction)
        return direction * tf.cast(lr, g.dtype)


class Adagrad(Optimizer):
    """Adagrad, in torch.optim.Adagrad's form. t counts from 1; sum starts at initial_accumulator.

    sum = sum + g^2;  w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
    """

    slots = RULES["adagrad"].slots_with()

    def __init__(
        self,
        parameters: Mapping[str, keras.Variable],
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

    def zeros(self, slot: str, w: keras.Variable) -> tf.Tensor:
        """Return what a slot starts from."""
        start = super().zeros(slot, w)
        return start + self.initial_accumulator if slot == "sum" else start

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract."""
        size = lr / (1.0 + tf.cast(state["step"], tf.float64) * self.lr_decay)
        return g / (tf.sqrt(state["sum"].assign_add(g * g)) + self.eps) * tf.cast(size, g.dtype)


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
        parameters: Mapping[str, keras.Variable],
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

    def decayed(self, w: keras.Variable, g: tf.Tensor, decay: float) -> tf.Tensor:
        """Return the gradient with weight decay in it, times the trust ratio."""
        whole = super().decayed(w, g, decay)
        if is_vector(w):
            return whole
        size, slope = tf.norm(w.value), tf.norm(g)
        ratio = self.trust * size / (slope + decay * size + self.eps)
        return whole * tf.where((size > 0) & (slope > 0), ratio, tf.ones_like(ratio))

    def change(self, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor, state: State) -> tf.Tensor:
        """Return what to subtract."""
        if self.momentum:
            g = state["momentum_buffer"].assign(self.momentum * state["momentum_buffer"] + g)
        return g * tf.cast(lr, g.dtype)


OPTIMIZERS: dict[str, type[Any]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "lars": LARS,
}


def make_optimizer(
    parameters: Mapping[str, keras.Variable], *, recipe: Recipe, rates: Mapping[str, float]
) -> Optimizer:
    """Return a recipe's optimizer of these parameters; rates: their factors of the learning rate."""
    make = OPTIMIZERS[recipe.optimizer]
    return make(parameters, rates=rates, decay_vectors=recipe.decay_exempt == "none", **settings_of(recipe))


def clip_gradients(
    gradients: Mapping[str, tf.Tensor], *, norm: float | None = None, value: float | None = None
) -> Mapping[str, tf.Tensor]:
    """Return gradients scaled so that their common norm is at most `norm`, or cut to [-value, value].

    The factor min(norm / (|g| + 1e-6), 1) is that of torch.nn.utils.clip_grad_norm_.
    """
    if value is not None:
        return {name: tf.clip_by_value(g, -value, value) for name, g in gradients.items()}
    if norm is not None:
        # tf.clip_by_global_norm has no 1e-6
        factor = tf.minimum(norm / (tf.linalg.global_norm(list(gradients.values())) + 1e-6), 1.0)
        return {name: g * factor for name, g in gradients.items()}
    return gradients


def is_vector(w: keras.Variable) -> bool:
    """Tell norms and biases from weights, by their number of dimensions in canonical layout."""
    return len(canonical_shape(tuple(w.shape), layout_of(w))) <= 1
