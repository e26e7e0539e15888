"""The optimizers, written once as formulas. ft_torch/optim.py holds the same formulas in PyTorch.

Each formula is torch.optim's; it brings the slots of a parameter up to date and returns what to subtract from it. In
all of them g is the gradient, with weight_decay * w added to it where the formula does not say otherwise, and lr the
learning rate of the parameter: the schedule's times the parameter's factor. Numbers are float64 until they meet a
tensor. What keeps slots and numbers is in ft/training/updates.py.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, settings_of
from ft.training.updates import Updates
from ft.weights.layouts import canonical_shape, from_canonical
from ft_tf.weights import layout_of, to_array

Slots = dict[str, tf.Variable]


def sgd(
    w: keras.Variable,
    g: tf.Tensor,
    slots: Slots,
    lr: tf.Tensor,
    *,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
) -> tf.Tensor:
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        buf = momentum * buf + (1 - dampening) * g, the first time buf = g
        w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes, and
    keeps lr as a float32 variable, which alone moves a float64 loss by 5e-9 within three steps.
    """
    g = decayed(w, g, weight_decay)
    if momentum:
        fresh = tf.where(slots["step"] > 0, g * (1 - dampening), g) if dampening else g
        buffer = slots["momentum_buffer"].assign(momentum * slots["momentum_buffer"] + fresh)
        g = g + momentum * buffer if nesterov else buffer
    return g * tf.cast(lr, g.dtype)


def adam(
    w: keras.Variable,
    g: tf.Tensor,
    slots: Slots,
    lr: tf.Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tf.Tensor:
    """Adam, in torch.optim.Adam's form: eps outside of the root and after the bias correction. t counts from 1.

    exp_avg = beta1 * exp_avg + (1 - beta1) * g;  exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g^2
    w -= lr / (1 - beta1^t) * exp_avg / (sqrt(exp_avg_sq) / sqrt(1 - beta2^t) + eps)
    """
    g = decayed(w, g, weight_decay)
    beta1, beta2 = betas
    t = tf.cast(slots["step"], tf.float64) + 1.0
    mean = slots["exp_avg"].assign(beta1 * slots["exp_avg"] + g * (1 - beta1))
    square = slots["exp_avg_sq"].assign(beta2 * slots["exp_avg_sq"] + g * g * (1 - beta2))
    corrections = 1 - tf.pow(tf.constant(betas, tf.float64), t)
    size, root = lr / corrections[0], tf.sqrt(corrections[1])
    return mean / (tf.sqrt(square) / tf.cast(root, g.dtype) + eps) * tf.cast(size, g.dtype)


def rmsprop(
    w: keras.Variable,
    g: tf.Tensor,
    slots: Slots,
    lr: tf.Tensor,
    *,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
    weight_decay: float,
) -> tf.Tensor:
    """RMSprop, in torch.optim.RMSprop's form: eps outside of the root.

    square_avg = alpha * square_avg + (1 - alpha) * g^2;  v = square_avg
    centered:   grad_avg = alpha * grad_avg + (1 - alpha) * g;  v = square_avg - grad_avg^2
    d = g / (sqrt(v) + eps);  momentum:  buf = momentum * buf + d;  w -= lr * (buf or d)
    """
    g = decayed(w, g, weight_decay)
    square = slots["square_avg"].assign(alpha * slots["square_avg"] + g * g * (1 - alpha))
    if centered:
        mean = slots["grad_avg"].assign(alpha * slots["grad_avg"] + g * (1 - alpha))
        square = square - mean * mean
    direction = g / (tf.sqrt(square) + eps)
    if momentum:
        direction = slots["momentum_buffer"].assign(momentum * slots["momentum_buffer"] + direction)
    return direction * tf.cast(lr, g.dtype)


def adagrad(
    w: keras.Variable,
    g: tf.Tensor,
    slots: Slots,
    lr: tf.Tensor,
    *,
    lr_decay: float,
    initial_accumulator: float,
    eps: float,
    weight_decay: float,
) -> tf.Tensor:
    """Adagrad, in torch.optim.Adagrad's form. t counts from 1; sum starts at initial_accumulator.

    sum = sum + g^2;  w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
    """
    g = decayed(w, g, weight_decay)
    size = lr / (1.0 + tf.cast(slots["step"], tf.float64) * lr_decay)
    return g / (tf.sqrt(slots["sum"].assign_add(g * g)) + eps) * tf.cast(size, g.dtype)


def lars(
    w: keras.Variable,
    g: tf.Tensor,
    slots: Slots,
    lr: tf.Tensor,
    *,
    momentum: float,
    trust: float,
    eps: float,
    weight_decay: float,
) -> tf.Tensor:
    """Layer-wise adaptive rate scaling on SGD with momentum; g is the gradient without the decay here.

        ratio = trust * |w| / (|g| + weight_decay * |w| + eps), 1 where |w| or |g| is 0
        buf = momentum * buf + ratio * (g + weight_decay * w);  w -= lr * buf

    Tensors of at most one dimension keep ratio 1: plain SGD with momentum. The paper keeps lr inside the buffer; it
    stands outside here as in `sgd`, the same at a constant rate.
    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.
    """
    whole = decayed(w, g, weight_decay)
    if not is_vector(w):
        size, slope = tf.norm(w.value), tf.norm(g)
        ratio = trust * size / (slope + weight_decay * size + eps)
        whole = whole * tf.where((size > 0) & (slope > 0), ratio, tf.ones_like(ratio))
    if momentum:
        whole = slots["momentum_buffer"].assign(momentum * slots["momentum_buffer"] + whole)
    return whole * tf.cast(lr, g.dtype)


def decayed(w: keras.Variable, g: tf.Tensor, decay: float) -> tf.Tensor:
    """Return the gradient with weight decay in it."""
    return g + decay * w.value if decay else g


def is_vector(w: keras.Variable) -> bool:
    """Tell norms and biases from weights, by their number of dimensions in canonical layout."""
    return len(canonical_shape(tuple(w.shape), layout_of(w))) <= 1


class Optimizer(Updates[keras.Variable, tf.Tensor, tf.Variable]):
    """Parameters as Keras's variables, slots as TensorFlow's."""

    def update_one(self, name: str, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        (inside, beside), slots = self.decays(w), self.state[name]
        if name in self.rates:  # a product for each parameter makes a graph longer
            lr = lr * tf.constant(self.rates[name], lr.dtype)
        change = self.formula(w, g, slots, lr, weight_decay=inside, **self.numbers)
        if beside:
            change = change + tf.cast(lr * beside, g.dtype) * w.value
        if "step" in slots:
            slots["step"].assign_add(1)
        w.value.assign_sub(change)
        return change

    def is_vector(self, w: keras.Variable) -> bool:
        """Tell norms and biases from weights."""
        return is_vector(w)

    def new_slot(self, slot: str, w: keras.Variable, start: float) -> tf.Variable:
        """Return a slot of a parameter, filled with `start`."""
        with tf.init_scope():  # it may be asked for within a graph
            filled = tf.zeros((), tf.int64) if slot == "step" else tf.fill(w.shape, tf.constant(start, w.dtype))
            return tf.Variable(filled, trainable=False)

    def read(self, name: str, slot: str) -> np.ndarray:
        """Return a copy of a slot in canonical layout."""
        return to_array(self.state[name][slot], self.layout(name, slot))

    def write(self, name: str, slot: str, array: np.ndarray) -> None:
        """Assign a slot from canonical layout."""
        self.state[name][slot].assign(from_canonical(np.asarray(array), self.layout(name, slot)))

    def layout(self, name: str, slot: str) -> str:
        """Return the layout of a slot: its parameter's, but for a count."""
        return "same" if slot == "step" else layout_of(self.parameters[name])


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
