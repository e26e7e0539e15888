"""AlexNet, a port of torchvision/models/alexnet.py."""

import keras
from keras import KerasTensor

from ft_tf.layers import AdaptiveAvgPool2d, Conv2d, Dropout, InlineFlatten, Linear, MaxPool2d
from ft_tf.precision import type_policy


def alexnet(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's AlexNet: images (N, H, W, 3) -> logits (N, num_classes)."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_relu(images, 0, 64, 11, stride=4, padding=2)
        x = MaxPool2d(3, stride=2, name="features.2")(x)
        x = conv_relu(x, 3, 192, 5, padding=2)
        x = MaxPool2d(3, stride=2, name="features.5")(x)
        x = conv_relu(x, 6, 384, 3, padding=1)
        x = conv_relu(x, 8, 256, 3, padding=1)
        x = conv_relu(x, 10, 256, 3, padding=1)
        x = MaxPool2d(3, stride=2, name="features.12")(x)
        x = AdaptiveAvgPool2d(6, name="avgpool")(x)
        x = InlineFlatten(name="flatten")(x)
        for place in (0, 3):
            x = Dropout(dropout, name=f"classifier.{place}")(x)
            x = Linear(4096, name=f"classifier.{place + 1}")(x)
            x = keras.layers.ReLU(name=f"classifier.{place + 2}")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.6")(x), name="alexnet")


def conv_relu(
    x: KerasTensor, place: int, channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> KerasTensor:
    """Apply a convolution with bias and ReLU, at `place` in features and the next."""
    x = Conv2d(channels, kernel, stride=stride, padding=padding, name=f"features.{place}")(x)
    return keras.layers.ReLU(name=f"features.{place + 1}")(x)
