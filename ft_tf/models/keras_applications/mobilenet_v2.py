"""MobileNetV2 as keras.applications ships it, the pooling named."""

import keras

from ft_tf.models.keras_applications.base import application, renamed


def mobilenet_v2(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return Keras's MobileNetV2: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""

    def exchange(layer: keras.layers.Layer) -> keras.layers.Layer:
        pooling = isinstance(layer, keras.layers.GlobalAveragePooling2D)
        return renamed(layer, "avg_pool" if pooling else layer.name)

    return application(
        keras.applications.MobileNetV2, num_classes=num_classes, image_size=image_size, dtype=dtype, exchange=exchange
    )
