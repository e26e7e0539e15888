"""The optimizer of a model of the user's own."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ft.errors import RecipeError
from ft.parity.foreign.code import OPTIMIZER, blamed
from ft_tf.weights import to_array

SLOTS = {  # PyTorch's names of what Keras's optimizers keep
    "SGD": {"momentum": "momentum_buffer"},
    "RMSprop": {"momentum": "momentum_buffer", "velocity": "square_avg"},
    "Adagrad": {"accumulator": "sum"},
}
ADAM = {"momentum": "exp_avg", "velocity": "exp_avg_sq"}


class OwnOptimizer:
    """The optimizer that the user's `make_optimizer(model)` returns, driven by gradients from outside.

    What it subtracts is known only up to the rounding of the weights that it has changed.
    """

    def __init__(
        self, make: Callable[[Any], Any], model: keras.Model, parameters: Mapping[str, keras.Variable]
    ) -> None:
        with blamed(f"{OPTIMIZER}(model) failed"):
            self.own = make(model)
        if not isinstance(self.own, keras.optimizers.Optimizer):
            raise RecipeError(f"{OPTIMIZER} returns a {type(self.own).__name__}; expected a keras.optimizers.Optimizer")
        self.parameters = dict(parameters)
        self.own.build(list(self.parameters.values()))
        self.lr = float(self.own.learning_rate)

    def update(self, gradients: Mapping[str, tf.Tensor], lr: tf.Tensor) -> list[tf.Tensor]:
        """Do one step and return what was subtracted from each weight; the rate is the optimizer's own."""
        before = [tf.identity(w.value) for w in self.parameters.values()]
        with blamed(f"the optimizer of {OPTIMIZER} failed"):
            self.own.apply([gradients[name] for name in self.parameters], list(self.parameters.values()))
        return [old - w.value for old, w in zip(before, self.parameters.values(), strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the state that belongs to weights, as `NAME.momentum_buffer` and the like."""
        words, slots = SLOTS.get(type(self.own).__name__, ADAM), {}
        for name, w in self.parameters.items():
            start = w.path.replace("/", "_") + "_"  # Keras names a slot PATH_OF_THE_WEIGHT_momentum
            for word, slot in words.items():
                matching = [x for x in self.own.variables if x.name == start + word]
                slots |= {f"{name}.{slot}": to_array(x, "same") for x in matching[:1]}
        return slots
