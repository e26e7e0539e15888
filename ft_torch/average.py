"""The moving average of the weights, see ft/training/averaging.py; ft_tf/average.py holds the same in TensorFlow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ft.training.averaging import decay_at
from ft_torch.weights import to_array


class Average:
    """average += (1 - d) * (w - average) of every tensor given: what trains, and BatchNorm's statistics."""

    def __init__(self, tensors: Mapping[str, Tensor], *, decay: float, warmup: bool) -> None:
        self.tensors = {name: tensor.detach() for name, tensor in tensors.items()}
        self.averages = {name: tensor.clone() for name, tensor in self.tensors.items()}
        self.decay, self.warmup = decay, warmup

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the tensors as they are after update number `step`."""
        share = 1 - decay_at(self.decay, step, warmup=self.warmup)
        for name, average in self.averages.items():
            average.add_((self.tensors[name] - average) * share)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again at the tensors as they are."""
        for name, average in self.averages.items():
            average.copy_(self.tensors[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages into the network, and the tensors back at the end."""
        with torch.no_grad():
            kept = {name: tensor.clone() for name, tensor in self.tensors.items()}
            try:
                for name, tensor in self.tensors.items():
                    tensor.copy_(self.averages[name])
                yield
            finally:
                for name, tensor in self.tensors.items():
                    tensor.copy_(kept[name])

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the averages as `NAME.average`, in canonical layout."""
        return {f"{name}.average": to_array(x) for name, x in self.averages.items()}

    @torch.no_grad()
    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the averages; KeyError where one is missing."""
        for name, average in self.averages.items():
            average.copy_(torch.from_numpy(np.array(slots[f"{name}.average"])))
