"""The optimizers, written once as formulas. ft_torch/optim.py holds the same formulas in PyTorch."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from ft.weights.layouts import from_canonical, to_canonical
from ft_tf.weights import layout_of


class SGD:
    """Stochastic gradient descent with momentum and L2 weight decay, in torch.optim.SGD's form:

        g = gradient + weight_decay * w;  buf = momentum * buf + g;  w -= lr * (g + momentum * buf if nesterov else buf)

    Keras folds the learning rate into the buffer (v = momentum * v - lr * g), which differs as soon as lr changes, and
    keeps lr as a float32 variable, which alone moves a float64 loss by 5e-9 within three steps.
    """

    def __init__(
        self, parameters: Mapping[str, keras.Variable], *, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        self.parameters = dict(parameters)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.buffers = (
            {name: tf.Variable(tf.zeros(w.shape, w.dtype), trainable=False) for name, w in self.parameters.items()}
            if momentum
            else {}
        )

    def update(self, gradients: Mapping[str, tf.Tensor], lr: tf.Tensor) -> list[tf.Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        rate = tf.cast(lr, next(iter(gradients.values())).dtype)
        return [self.update_one(name, w, gradients[name], rate) for name, w in self.parameters.items()]

    def update_one(self, name: str, w: keras.Variable, g: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """Change one parameter in place and return what was subtracted from it."""
        if self.weight_decay:
            g = g + self.weight_decay * w.value
        if self.momentum:
            buffer = self.buffers[name].assign(self.momentum * self.buffers[name] + g)
            g = g + self.momentum * buffer if self.nesterov else buffer
        change = g * lr
        w.value.assign_sub(change)
        return change

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the momentum buffers as `NAME.momentum_buffer`, in canonical layout."""
        return {
            f"{name}.momentum_buffer": to_canonical(buffer.numpy(), layout_of(self.parameters[name]))
            for name, buffer in self.buffers.items()
        }

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the momentum buffers; KeyError where one is missing."""
        for name, buffer in self.buffers.items():
            buffer.assign(from_canonical(slots[f"{name}.momentum_buffer"], layout_of(self.parameters[name])))
