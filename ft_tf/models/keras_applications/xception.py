"""Xception as keras.applications ships it, the layers named that Keras numbers on the fly."""

import re

import keras

from ft.zoo.keras_applications.xception import own_names
from ft_tf.models.keras_applications.base import application, renamed


def xception(*, num_classes: int = 1000, image_size: int = 299, dtype: str = "float32") -> keras.Model:
    """Return Keras's Xception: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    names = {kind: iter(named) for kind, named in own_names().items()}

    def exchange(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = re.sub(r"_\d+$", "", layer.name)
        return renamed(layer, next(names[kind]) if kind in names else layer.name)

    return application(
        keras.applications.Xception, num_classes=num_classes, image_size=image_size, dtype=dtype, exchange=exchange
    )
