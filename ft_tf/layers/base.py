"""What several layers are made of: their registration, their sizes, and two that are of no other kind."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

register = keras.saving.register_keras_serializable("ft_tf")


class SameShape(keras.layers.Layer):
    """A layer whose output has its input's shape: told so, Keras need not trace the layer to find out."""

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


@register
class Gelu(SameShape):
    """x * Phi(x) in its exact form, by erf; Keras's takes erfc, which is slower and has no ONNX operator."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return 0.5 * x * (1 + tf.math.erf(x * math.sqrt(0.5)))


@register
class WithAuxiliary(keras.Model):
    """A network whose first output is the logits and whose others are those of auxiliary heads.

    It returns all of them in training and the logits alone in inference, as torchvision's GoogLeNet and Inception do;
    the auxiliary heads are not even computed then. `frozen` makes it return the logits alone in training as well, and
    so does Keras's own `fit`, whose losses and metrics take one output.
    """

    frozen = False

    @cached_property
    def main(self) -> keras.Model:
        """The same layers without the auxiliary heads; in a cached property Keras does not count them twice."""
        return keras.Model(self.inputs, self.outputs[0], name=self.name)

    def call(self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None) -> Any:
        if training and not self.frozen:
            return super().call(inputs, training=training, mask=mask)
        return self.main(inputs, training=training, mask=mask)

    def train_step(self, data: Any) -> Any:
        frozen, self.frozen = self.frozen, True
        try:
            return super().train_step(data)
        finally:
            self.frozen = frozen

    def compute_output_spec(self, inputs: KerasTensor, training: bool = False, mask: Any = None) -> KerasTensor:
        return self.main.compute_output_spec(inputs, training=training, mask=mask)


class ForLiteRT(keras.layers.Layer):
    """A layer with a second form, of operators that LiteRT has built in; `for_litert` says whether it takes that."""

    for_litert = False


@contextmanager
def litert_operators(model: keras.Model) -> Iterator[None]:
    """Trace a network into operators that LiteRT has built in: it knows neither padded max pooling nor roll."""
    layers = [layer for layer in model.layers if isinstance(layer, ForLiteRT)]
    try:
        for layer in layers:
            layer.for_litert = True
        yield
    finally:
        for layer in layers:
            layer.for_litert = False


def sizes(x: tf.Tensor) -> tuple[Any, ...]:
    """Return the size of each axis: a number where it is known when the graph is made, else a scalar tensor."""
    return tuple(tf.shape(x)[axis] if size is None else size for axis, size in enumerate(x.shape))
