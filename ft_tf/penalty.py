"""The terms that regularisation adds to loss and gradients; ft_torch/penalty.py holds the same in PyTorch."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from ft.training.penalty import Terms
from ft.weights.layouts import from_canonical
from ft_tf.weights import layout_of, to_array


class Penalty:
    """R(w) = l2 / 2 * |w|^2 + l1 * sum |w| + l2sp / 2 * |w - w0|^2, see ft/training/penalty.py.

    The gradient of |w| at 0 is 0.

    parameters: those that train; terms: the factors of those that have any.
    """

    def __init__(self, parameters: Mapping[str, keras.Variable], terms: Mapping[str, Terms]) -> None:
        self.parameters, self.terms = dict(parameters), dict(terms)
        anchored = {name: self.parameters[name] for name, t in self.terms.items() if t.l2sp}
        self.anchors = {name: tf.Variable(w.value, trainable=False) for name, w in anchored.items()}

    def add(self, loss: tf.Tensor, gradients: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Return loss and gradients with the terms added."""
        added = dict(gradients)
        for name, terms in self.terms.items():
            w = self.parameters[name].value
            if terms.l2:
                loss, added[name] = loss + terms.l2 / 2 * tf.reduce_sum(tf.square(w)), added[name] + terms.l2 * w
            if terms.l1:
                loss, added[name] = loss + terms.l1 * tf.reduce_sum(tf.abs(w)), added[name] + terms.l1 * tf.sign(w)
            if terms.l2sp:
                away = w - self.anchors[name]
                loss, added[name] = (
                    loss + terms.l2sp / 2 * tf.reduce_sum(tf.square(away)),
                    added[name] + terms.l2sp * away,
                )
        return loss, added

    def anchor(self) -> None:
        """Take the parameters as they are for w0."""
        for name, anchor in self.anchors.items():
            anchor.assign(self.parameters[name].value)

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return w0 as `NAME.anchor`, in canonical layout: it outlives the weights file that it came from."""
        return {
            f"{name}.anchor": to_array(anchor, layout_of(self.parameters[name]))
            for name, anchor in self.anchors.items()
        }

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign w0; KeyError where one is missing."""
        for name, anchor in self.anchors.items():
            anchor.assign(from_canonical(slots[f"{name}.anchor"], layout_of(self.parameters[name])))
