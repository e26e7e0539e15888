"""ResNet-50 as keras.applications ships it."""

import keras

from ft_tf.models.keras_applications.base import application


def resnet50(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return Keras's ResNet-50: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return application(keras.applications.ResNet50, num_classes=num_classes, image_size=image_size, dtype=dtype)
