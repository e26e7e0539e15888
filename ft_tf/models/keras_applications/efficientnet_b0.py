"""EfficientNet-B0 as keras.applications builds it for its ImageNet weights, with the shared noise."""

import keras

from ft.zoo.keras_applications import efficientnet_b0 as spec
from ft_tf.layers import Dropout, Normalization, StochasticDepth
from ft_tf.models.keras_applications.base import application, renamed


def efficientnet_b0(
    *,
    num_classes: int = 1000,
    dropout: float = 0.2,
    stochastic_depth: float = 0.2,
    image_size: int = 224,
    dtype: str = "float32",
) -> keras.Model:
    """Return Keras's EfficientNet-B0: pixels (N, image_size, image_size, 3) of 0 to 255 -> logits (N, num_classes)."""
    shares = {f"{block.path}_drop": block.depth_share for block in spec.blocks()}

    def exchange(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Normalization):
            return Normalization(scale=spec.SCALE, name="normalization")
        if isinstance(layer, keras.layers.Rescaling):
            return renamed(layer, "rescaling")
        if isinstance(layer, keras.layers.Dropout):
            share = shares.get(layer.name)
            noise = Dropout(dropout, name=layer.name)
            return noise if share is None else StochasticDepth(stochastic_depth * share, name=layer.name)
        return renamed(layer, layer.name)

    return application(
        keras.applications.EfficientNetB0,
        num_classes=num_classes,
        image_size=image_size,
        dtype=dtype,
        exchange=exchange,
    )
