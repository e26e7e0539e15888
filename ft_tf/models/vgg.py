"""VGG, a port of torchvision/models/vgg.py. Blocks: ft/zoo/vgg.py."""

import keras
from keras import KerasTensor

from ft.zoo.vgg import Block, blocks, normalised
from ft_tf.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, InlineFlatten, Linear, MaxPool2d
from ft_tf.precision import type_policy


def vgg11(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-11: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg11", num_classes, dropout, dtype)


def vgg11_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-11 with BatchNorm: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg11_bn", num_classes, dropout, dtype)


def vgg13(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-13: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg13", num_classes, dropout, dtype)


def vgg13_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-13 with BatchNorm: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg13_bn", num_classes, dropout, dtype)


def vgg16(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-16: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg16", num_classes, dropout, dtype)


def vgg16_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-16 with BatchNorm: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg16_bn", num_classes, dropout, dtype)


def vgg19(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-19: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg19", num_classes, dropout, dtype)


def vgg19_bn(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's VGG-19 with BatchNorm: images (N, H, W, 3) -> logits (N, num_classes)."""
    return vgg("vgg19_bn", num_classes, dropout, dtype)


def vgg(name: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the VGG called `name`: five blocks, pooling to 7x7, and a classifier of three linear layers."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = images
        for block in blocks(name):
            x = conv_block(x, block, norm=normalised(name))
        x = AdaptiveAvgPool2d(7, name="avgpool")(x)
        x = InlineFlatten(name="flatten")(x)
        for place in (0, 3):
            x = Linear(4096, name=f"classifier.{place}")(x)
            x = keras.layers.ReLU(name=f"classifier.{place + 1}")(x)
            x = Dropout(dropout, name=f"classifier.{place + 2}")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.6")(x), name=name)


def conv_block(x: KerasTensor, block: Block, *, norm: bool) -> KerasTensor:
    """Apply a block's 3x3 convolutions, each with BatchNorm if `norm` and with ReLU, and halve the image."""
    for place in block.convs:
        x = Conv2d(block.channels, 3, padding=1, name=f"features.{place}")(x)
        if norm:
            x = BatchNorm2d(name=f"features.{place + 1}")(x)
        x = keras.layers.ReLU(name=f"features.{place + 1 + norm}")(x)
    return MaxPool2d(2, stride=2, name=f"features.{block.pool}")(x)
