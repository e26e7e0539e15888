"""What stands between a network's last map and its logits: the pooling and the layers of the head."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.recipe.head import HeadLayer
from ft.zoo.card import GEM_EPS, GEM_POWER
from ft_tf.layers import BatchNorm2d, Dropout, Gelu, LayerNorm, Linear, register

NORMS = {"batchnorm": BatchNorm2d, "layernorm": LayerNorm}


@register
class GlobalPool(keras.layers.Layer):
    """Pooling over the whole map: (N, H, W, C) -> (N, C), or (N, 2 * C) for "avg+max".

    avg, max: of each channel, where several places share the maximum they share its gradient; avg+max: the averages,
    then the maxima; gem: mean(max(x, eps) ** p) ** (1 / p) with a learned p.
    Source of gem: Radenovic et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019.
    """

    def __init__(self, kind: str, **base: Any) -> None:
        super().__init__(**base)
        self.kind = kind

    def build(self, input_shape: tuple) -> None:
        if self.kind == "gem":
            self.p = self.add_weight(name="p", shape=(1,), initializer=keras.initializers.Constant(GEM_POWER))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.kind == "gem":
            p = tf.convert_to_tensor(self.p)
            return tf.reduce_mean(tf.maximum(x, tf.constant(GEM_EPS, x.dtype)) ** p, [1, 2]) ** (1 / p)
        parts = [tf.reduce_mean(x, [1, 2])] if "avg" in self.kind else []
        parts += [tf.reduce_max(x, [1, 2])] if "max" in self.kind else []
        return tf.concat(parts, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}


def build_head(x: KerasTensor, layers: Sequence[HeadLayer], *, classes: int, path: str) -> KerasTensor:
    """Apply a head with these layers before its last one; they bear their places behind `path` as names."""
    for place, layer in enumerate((*layers, HeadLayer("linear", units=classes))):
        x = build_layer(layer, f"{path}.{place}")(x)
    return x


def build_layer(layer: HeadLayer, name: str) -> keras.layers.Layer:
    """Return one layer of a head."""
    if layer.kind == "linear":
        return Linear(layer.units, name=name)
    if layer.kind == "dropout":
        return Dropout(layer.rate, name=name)
    if layer.kind in NORMS:
        return NORMS[layer.kind](name=name)
    return Gelu(name=name) if layer.kind == "gelu" else keras.layers.Activation(layer.kind, name=name)
