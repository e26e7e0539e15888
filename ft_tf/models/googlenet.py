"""GoogLeNet, a port of torchvision/models/googlenet.py with its auxiliary heads. Widths: ft/zoo/googlenet.py."""

import keras
from keras import KerasTensor

from ft.zoo.googlenet import BLOCKS, Block
from ft_tf.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    InlineFlatten,
    Linear,
    MaxPool2d,
    WithAuxiliary,
)
from ft_tf.precision import type_policy


def googlenet(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's GoogLeNet: images (N, H, W, 3) -> logits (N, num_classes), in training three of them.

    Those of aux2 and of aux1 follow the main ones. `dropout` is that of the head; the auxiliary ones keep their 0.7.
    """
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_norm_relu(images, "conv1", 64, 7, stride=2, padding=3)
        x = MaxPool2d(3, stride=2, ceil_mode=True, name="maxpool1")(x)
        x = conv_norm_relu(x, "conv2", 64, 1)
        x = conv_norm_relu(x, "conv3", 192, 3, padding=1)
        x = MaxPool2d(3, stride=2, ceil_mode=True, name="maxpool2")(x)
        x = inceptions(x, "3a", "3b")
        x = MaxPool2d(3, stride=2, ceil_mode=True, name="maxpool3")(x)
        x = inceptions(x, "4a")
        aux1 = auxiliary(x, "aux1", num_classes)
        x = inceptions(x, "4b", "4c", "4d")
        aux2 = auxiliary(x, "aux2", num_classes)
        x = inceptions(x, "4e")
        x = MaxPool2d(2, stride=2, ceil_mode=True, name="maxpool4")(x)
        x = inceptions(x, "5a", "5b")
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = Dropout(dropout, name="dropout")(x)
        return WithAuxiliary(images, [Linear(num_classes, name="fc")(x), aux2, aux1], name="googlenet")


def conv_norm_relu(
    x: KerasTensor,
    path: str,
    channels: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and ReLU, torchvision's BasicConv2d."""
    x = Conv2d(channels, kernel, stride=stride, padding=padding, bias=False, name=f"{path}.conv")(x)
    x = BatchNorm2d(eps=1e-3, name=f"{path}.bn")(x)
    return keras.layers.ReLU(name=f"{path}.relu")(x)


def inceptions(x: KerasTensor, *names: str) -> KerasTensor:
    """Apply the inception blocks of these names, one after another."""
    for name in names:
        x = inception(x, f"inception{name}", BLOCKS[f"inception{name}"])
    return x


def inception(x: KerasTensor, path: str, block: Block) -> KerasTensor:
    """Four branches side by side: 1x1, reduced 3x3, reduced "5x5", pooled."""
    one = conv_norm_relu(x, f"{path}.branch1", block.ones, 1)
    three = conv_norm_relu(x, f"{path}.branch2.0", block.reduced3, 1)
    three = conv_norm_relu(three, f"{path}.branch2.1", block.threes, 3, padding=1)
    five = conv_norm_relu(x, f"{path}.branch3.0", block.reduced5, 1)
    # torchvision's 5x5 is a 3x3 ever since its weights were trained so, pytorch/vision#906
    five = conv_norm_relu(five, f"{path}.branch3.1", block.fives, 3, padding=1)
    pooled = MaxPool2d(3, stride=1, padding=1, name=f"{path}.branch4.0")(x)
    pooled = conv_norm_relu(pooled, f"{path}.branch4.1", block.pooled, 1)
    return keras.layers.Concatenate(name=f"{path}.cat")([one, three, five, pooled])


def auxiliary(x: KerasTensor, path: str, num_classes: int) -> KerasTensor:
    """Classify what the network has made of the images half way: pooling to 4x4, 1x1 convolution, two linear layers."""
    x = AdaptiveAvgPool2d(4, name=f"{path}.avgpool")(x)
    x = conv_norm_relu(x, f"{path}.conv", 128, 1)
    x = InlineFlatten(name=f"{path}.flatten")(x)
    x = Linear(1024, name=f"{path}.fc1")(x)
    x = keras.layers.ReLU(name=f"{path}.relu")(x)
    x = Dropout(0.7, name=f"{path}.dropout")(x)
    return Linear(num_classes, name=f"{path}.fc2")(x)
