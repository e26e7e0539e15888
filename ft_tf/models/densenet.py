"""DenseNet, a port of torchvision/models/densenet.py. Widths and depths: ft/zoo/densenet.py."""

import keras
from keras import KerasTensor

from ft.zoo.densenet import SHAPES
from ft_tf.layers import AvgPool2d, BatchNorm2d, Conv2d, Linear, MaxPool2d
from ft_tf.precision import type_policy


def densenet121(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DenseNet-121: images (N, H, W, 3) -> logits (N, num_classes)."""
    return densenet("densenet121", num_classes, dtype)


def densenet161(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DenseNet-161: images (N, H, W, 3) -> logits (N, num_classes)."""
    return densenet("densenet161", num_classes, dtype)


def densenet169(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DenseNet-169: images (N, H, W, 3) -> logits (N, num_classes)."""
    return densenet("densenet169", num_classes, dtype)


def densenet201(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DenseNet-201: images (N, H, W, 3) -> logits (N, num_classes)."""
    return densenet("densenet201", num_classes, dtype)


def densenet(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the DenseNet called `name`: stem, four dense blocks with transitions between, spatial mean, classifier."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = Conv2d(shape.stem, 7, stride=2, padding=3, bias=False, name="features.conv0")(images)
        x = norm_relu(x, "features.norm0", "features.relu0")
        x = MaxPool2d(3, stride=2, padding=1, name="features.pool0")(x)
        for block, depth in enumerate(shape.depths, start=1):
            x = transition(x, f"features.transition{block - 1}") if block > 1 else x
            for layer in range(1, depth + 1):
                whole = f"features.denseblock{block}"
                y = dense_layer(x, f"{whole}.denselayer{layer}", shape.growth)
                # in torchvision the next layer concatenates, or at the end the block
                taker = f"{whole}.denselayer{layer + 1}" if layer < depth else whole
                x = keras.layers.Concatenate(name=f"{taker}.cat")([x, y])
        x = norm_relu(x, "features.norm5", "relu")
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, Linear(num_classes, name="classifier")(x), name=name)


def norm_relu(x: KerasTensor, norm: str, relu: str) -> KerasTensor:
    """Apply BatchNorm and ReLU."""
    return keras.layers.ReLU(name=relu)(BatchNorm2d(name=norm)(x))


def dense_layer(x: KerasTensor, path: str, growth: int) -> KerasTensor:
    """Return `growth` channels, made of all of x by a 1x1 and a 3x3 convolution."""
    y = norm_relu(x, f"{path}.norm1", f"{path}.relu1")
    y = Conv2d(4 * growth, 1, bias=False, name=f"{path}.conv1")(y)
    y = norm_relu(y, f"{path}.norm2", f"{path}.relu2")
    return Conv2d(growth, 3, padding=1, bias=False, name=f"{path}.conv2")(y)


def transition(x: KerasTensor, path: str) -> KerasTensor:
    """Halve the channels by a 1x1 convolution, and the image by averaging."""
    x = norm_relu(x, f"{path}.norm", f"{path}.relu")
    x = Conv2d(x.shape[-1] // 2, 1, bias=False, name=f"{path}.conv")(x)
    return AvgPool2d(2, stride=2, name=f"{path}.pool")(x)
