"""Inception v3, a port of torchvision/models/inception.py with its auxiliary head."""

import keras
from keras import KerasTensor

from ft_tf.layers import AvgPool2d, Dropout, Linear, MaxPool2d, WithAuxiliary
from ft_tf.models.googlenet import conv_norm_relu
from ft_tf.precision import type_policy


def inception_v3(*, num_classes: int = 1000, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Inception v3: images (N, H, W, 3) -> logits (N, num_classes), in training two of them.

    The auxiliary ones follow the main ones; they take images of 299 pixels and more.
    """
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = stem(images)
        for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            x = block_a(x, f"Mixed_{name}", pooled)
        x = block_b(x, "Mixed_6a")
        for name, channels in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            x = block_c(x, f"Mixed_{name}", channels)
        aux = auxiliary(x, "AuxLogits", num_classes)
        x = block_d(x, "Mixed_7a")
        x = block_e(x, "Mixed_7b")
        x = block_e(x, "Mixed_7c")
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = Dropout(dropout, name="dropout")(x)
        return WithAuxiliary(images, [Linear(num_classes, name="fc")(x), aux], name="inception_v3")


def stem(x: KerasTensor) -> KerasTensor:
    """Reduce the image to an eighth of its size and make 192 channels of it."""
    x = conv_norm_relu(x, "Conv2d_1a_3x3", 32, 3, stride=2)
    x = conv_norm_relu(x, "Conv2d_2a_3x3", 32, 3)
    x = conv_norm_relu(x, "Conv2d_2b_3x3", 64, 3, padding=1)
    x = MaxPool2d(3, stride=2, name="maxpool1")(x)
    x = conv_norm_relu(x, "Conv2d_3b_1x1", 80, 1)
    x = conv_norm_relu(x, "Conv2d_4a_3x3", 192, 3)
    return MaxPool2d(3, stride=2, name="maxpool2")(x)


def block_a(x: KerasTensor, path: str, pooled: int) -> KerasTensor:
    """Four branches: 1x1, 5x5, two 3x3, and `pooled` channels of local averages."""
    one = conv_norm_relu(x, f"{path}.branch1x1", 64, 1)
    five = conv_norm_relu(x, f"{path}.branch5x5_1", 48, 1)
    five = conv_norm_relu(five, f"{path}.branch5x5_2", 64, 5, padding=2)
    double = conv_norm_relu(x, f"{path}.branch3x3dbl_1", 64, 1)
    double = conv_norm_relu(double, f"{path}.branch3x3dbl_2", 96, 3, padding=1)
    double = conv_norm_relu(double, f"{path}.branch3x3dbl_3", 96, 3, padding=1)
    return join(path, one, five, double, averages(x, path, pooled))


def block_b(x: KerasTensor, path: str) -> KerasTensor:
    """Halve the image in three branches: 3x3, two 3x3, and the maximum."""
    three = conv_norm_relu(x, f"{path}.branch3x3", 384, 3, stride=2)
    double = conv_norm_relu(x, f"{path}.branch3x3dbl_1", 64, 1)
    double = conv_norm_relu(double, f"{path}.branch3x3dbl_2", 96, 3, padding=1)
    double = conv_norm_relu(double, f"{path}.branch3x3dbl_3", 96, 3, stride=2)
    return join(path, three, double, MaxPool2d(3, stride=2, name=f"{path}.maxpool")(x))


def block_c(x: KerasTensor, path: str, channels: int) -> KerasTensor:
    """Four branches: 1x1, 7x7, two 7x7, local averages; a 7x7 is a row of 7 and a column of 7 in turn."""
    one = conv_norm_relu(x, f"{path}.branch1x1", 192, 1)
    seven = conv_norm_relu(x, f"{path}.branch7x7_1", channels, 1)
    seven = row(seven, f"{path}.branch7x7_2", channels, 7)
    seven = column(seven, f"{path}.branch7x7_3", 192, 7)
    double = conv_norm_relu(x, f"{path}.branch7x7dbl_1", channels, 1)
    double = column(double, f"{path}.branch7x7dbl_2", channels, 7)
    double = row(double, f"{path}.branch7x7dbl_3", channels, 7)
    double = column(double, f"{path}.branch7x7dbl_4", channels, 7)
    double = row(double, f"{path}.branch7x7dbl_5", 192, 7)
    return join(path, one, seven, double, averages(x, path, 192))


def block_d(x: KerasTensor, path: str) -> KerasTensor:
    """Halve the image in three branches: 3x3, 7x7 and 3x3, and the maximum."""
    three = conv_norm_relu(x, f"{path}.branch3x3_1", 192, 1)
    three = conv_norm_relu(three, f"{path}.branch3x3_2", 320, 3, stride=2)
    seven = conv_norm_relu(x, f"{path}.branch7x7x3_1", 192, 1)
    seven = row(seven, f"{path}.branch7x7x3_2", 192, 7)
    seven = column(seven, f"{path}.branch7x7x3_3", 192, 7)
    seven = conv_norm_relu(seven, f"{path}.branch7x7x3_4", 192, 3, stride=2)
    return join(path, three, seven, MaxPool2d(3, stride=2, name=f"{path}.maxpool")(x))


def block_e(x: KerasTensor, path: str) -> KerasTensor:
    """Four branches: 1x1, 3x3, two 3x3, local averages; the last 3x3 is a row of 3 and a column of 3 side by side."""
    one = conv_norm_relu(x, f"{path}.branch1x1", 320, 1)
    three = conv_norm_relu(x, f"{path}.branch3x3_1", 384, 1)
    threes = row(three, f"{path}.branch3x3_2a", 384, 3), column(three, f"{path}.branch3x3_2b", 384, 3)
    double = conv_norm_relu(x, f"{path}.branch3x3dbl_1", 448, 1)
    double = conv_norm_relu(double, f"{path}.branch3x3dbl_2", 384, 3, padding=1)
    doubles = row(double, f"{path}.branch3x3dbl_3a", 384, 3), column(double, f"{path}.branch3x3dbl_3b", 384, 3)
    sides = join(path, *threes), join(path, *doubles, call=1)
    return join(path, one, *sides, averages(x, path, 192), call=2)


def auxiliary(x: KerasTensor, path: str, num_classes: int) -> KerasTensor:
    """Classify what the network has made of the images half way."""
    x = AvgPool2d(5, stride=3, name=f"{path}.avgpool")(x)
    x = conv_norm_relu(x, f"{path}.conv0", 128, 1)
    x = conv_norm_relu(x, f"{path}.conv1", 768, 5)
    x = keras.layers.GlobalAveragePooling2D(name=f"{path}.avgpool.1")(x)
    return Linear(num_classes, name=f"{path}.fc")(x)


def row(x: KerasTensor, path: str, channels: int, length: int) -> KerasTensor:
    """Apply a convolution one pixel high and `length` wide."""
    return conv_norm_relu(x, path, channels, (1, length), padding=(0, length // 2))


def column(x: KerasTensor, path: str, channels: int, length: int) -> KerasTensor:
    """Apply a convolution `length` high and one pixel wide."""
    return conv_norm_relu(x, path, channels, (length, 1), padding=(length // 2, 0))


def averages(x: KerasTensor, path: str, channels: int) -> KerasTensor:
    """Average over 3x3 pixels, zeros outside of the image counted, and apply a 1x1 convolution."""
    x = AvgPool2d(3, stride=1, padding=1, name=f"{path}.avgpool")(x)
    return conv_norm_relu(x, f"{path}.branch_pool", channels, 1)


def join(path: str, *branches: KerasTensor, call: int = 0) -> KerasTensor:
    """Put the channels of all branches side by side; call: how often the module at `path` has done so before."""
    return keras.layers.Concatenate(name=f"{path}.cat.{call}" if call else f"{path}.cat")(list(branches))
