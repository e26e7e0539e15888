"""The terms that regularisation adds to loss and gradients; ft_tf/penalty.py holds the same in TensorFlow."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ft.training.penalty import Terms
from ft_torch.weights import to_array


class Penalty:
    """R(w) = l2 / 2 * |w|^2 + l1 * sum |w| + l2sp / 2 * |w - w0|^2, see ft/training/penalty.py.

    The gradient of |w| at 0 is 0.

    parameters: those that train; terms: the factors of those that have any.
    """

    def __init__(self, parameters: Mapping[str, Tensor], terms: Mapping[str, Terms]) -> None:
        self.parameters, self.terms = dict(parameters), dict(terms)
        self.anchors = {name: self.parameters[name].detach().clone() for name, t in self.terms.items() if t.l2sp}

    @torch.no_grad()
    def add(self, loss: Tensor, gradients: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and gradients with the terms added."""
        added = dict(gradients)
        for name, terms in self.terms.items():
            w = self.parameters[name]
            if terms.l2:
                loss, added[name] = loss + terms.l2 / 2 * w.square().sum(), added[name] + terms.l2 * w
            if terms.l1:
                loss, added[name] = loss + terms.l1 * w.abs().sum(), added[name] + terms.l1 * w.sign()
            if terms.l2sp:
                away = w - self.anchors[name]
                loss, added[name] = loss + terms.l2sp / 2 * away.square().sum(), added[name] + terms.l2sp * away
        return loss, added

    @torch.no_grad()
    def anchor(self) -> None:
        """Take the parameters as they are for w0."""
        for name, anchor in self.anchors.items():
            anchor.copy_(self.parameters[name])

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return w0 as `NAME.anchor`, in canonical layout: it outlives the weights file that it came from."""
        return {f"{name}.anchor": to_array(anchor) for name, anchor in self.anchors.items()}

    @torch.no_grad()
    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign w0; KeyError where one is missing."""
        for name, anchor in self.anchors.items():
            anchor.copy_(torch.from_numpy(np.array(slots[f"{name}.anchor"])))
