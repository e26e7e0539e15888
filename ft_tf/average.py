"""The moving average of the weights, see ft/training/averaging.py; ft_torch/average.py holds the same in PyTorch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from ft.weights.layouts import from_canonical
from ft_tf.weights import layout_of, to_array


class Average:
    """average += (1 - d) * (w - average) of every tensor given: what trains, and BatchNorm's statistics."""

    def __init__(self, tensors: Mapping[str, keras.Variable], *, decay: float, warmup: bool) -> None:
        self.tensors = dict(tensors)
        self.averages = {name: tf.Variable(tensor.value, trainable=False) for name, tensor in self.tensors.items()}
        self.decay, self.warmup = decay, warmup

    def update(self, step: tf.Tensor) -> None:
        """Take in the tensors as they are after update number `step`."""
        t = tf.cast(step, tf.float64)  # of the graph, so ft.training.averaging.decay_at is written out here
        decay = tf.constant(self.decay, tf.float64)
        share = 1 - (tf.minimum(decay, (1 + t) / (10 + t)) if self.warmup else decay)
        for name, average in self.averages.items():
            average.assign_add((self.tensors[name].value - average) * tf.cast(share, average.dtype))

    def restart(self) -> None:
        """Begin again at the tensors as they are."""
        for name, average in self.averages.items():
            average.assign(self.tensors[name].value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages into the network, and the tensors back at the end."""
        kept = {name: tf.identity(tensor.value) for name, tensor in self.tensors.items()}
        try:
            for name, tensor in self.tensors.items():
                tensor.assign(self.averages[name])
            yield
        finally:
            for name, tensor in self.tensors.items():
                tensor.assign(kept[name])

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the averages as `NAME.average`, in canonical layout."""
        return {f"{name}.average": to_array(x, layout_of(self.tensors[name])) for name, x in self.averages.items()}

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the averages; KeyError where one is missing."""
        for name, average in self.averages.items():
            average.assign(from_canonical(slots[f"{name}.average"], layout_of(self.tensors[name])))
