"""The types of a network: that of its weights, and bfloat16 for products, while all the rest stays float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from ft.zoo import Card
from ft_tf.head import GlobalPool
from ft_tf.layers import BatchNorm2d, FrozenBatchNorm2d, LayerNorm, Normalization

IN_FLOAT32 = (
    *(BatchNorm2d, FrozenBatchNorm2d, LayerNorm, Normalization, GlobalPool),
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.InputLayer),
)


@contextmanager
def computing(model: keras.Model, card: Card, precision: str) -> Iterator[None]:
    """Return the context in which a network's layers compute in `precision`, "bfloat16" or the type of its weights.

    In bfloat16 layers have Keras's policy "mixed_bfloat16", but for normalisation and the layers that give logits: two
    rounded logits are often equal. A graph that is traced inside keeps that; the layers themselves are afterwards what
    they were, so the network stays a float32 one.
    """
    layers = []
    if precision == "bfloat16":
        layers = [layer for layer in model.layers if not isinstance(layer, IN_FLOAT32)]
        exact = (*card.outputs, f"{card.head}.add")  # where two layers give logits together
        layers = [layer for layer in layers if layer.name not in exact]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = "mixed_bfloat16"
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


@contextmanager
def type_policy(dtype: str) -> Iterator[None]:
    """Build layers in `dtype`, "float32" or "float64"; `set_floatx` would not reach layers that exist already."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
