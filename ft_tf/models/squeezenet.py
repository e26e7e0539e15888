"""SqueezeNet, a port of torchvision/models/squeezenet.py. Layers: ft/zoo/squeezenet.py."""

import keras
from keras import KerasTensor

from ft.zoo.squeezenet import SHAPES
from ft_tf.layers import Conv2d, Dropout, MaxPool2d
from ft_tf.precision import type_policy


def squeezenet1_0(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's SqueezeNet 1.0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return squeezenet("squeezenet1_0", num_classes, dropout, dtype)


def squeezenet1_1(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's SqueezeNet 1.1, which pools earlier: (N, H, W, 3) -> (N, num_classes)."""
    return squeezenet("squeezenet1_1", num_classes, dropout, dtype)


def squeezenet(name: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the SqueezeNet called `name`: stem, eight fire modules with poolings between, a convolution as head."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = Conv2d(shape.channels, shape.kernel, stride=2, name="features.0")(images)
        x = keras.layers.ReLU(name="features.1")(x)
        for place in range(2, 13):
            if place in shape.fires:
                x = fire(x, f"features.{place}", shape.fires[place])
            else:
                x = MaxPool2d(3, stride=2, ceil_mode=True, name=f"features.{place}")(x)
        x = Dropout(dropout, name="classifier.0")(x)
        x = Conv2d(num_classes, 1, name="classifier.1")(x)
        x = keras.layers.ReLU(name="classifier.2")(x)
        x = keras.layers.GlobalAveragePooling2D(name="classifier.3")(x)
        return keras.Model(images, x, name=name)


def fire(x: KerasTensor, path: str, squeeze: int) -> KerasTensor:
    """Squeeze to a few channels (1x1), expand them by 1x1 and by 3x3 to four times as many each."""
    x = conv_relu(x, f"{path}.squeeze", squeeze, 1)
    ones = conv_relu(x, f"{path}.expand1x1", 4 * squeeze, 1)
    threes = conv_relu(x, f"{path}.expand3x3", 4 * squeeze, 3)
    return keras.layers.Concatenate(name=f"{path}.cat")([ones, threes])


def conv_relu(x: KerasTensor, path: str, channels: int, kernel: int) -> KerasTensor:
    """Apply a convolution that keeps the image's size, and ReLU."""
    x = Conv2d(channels, kernel, padding=kernel // 2, name=path)(x)
    return keras.layers.ReLU(name=f"{path}_activation")(x)
