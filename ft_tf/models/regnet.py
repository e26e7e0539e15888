"""RegNet, a port of torchvision/models/regnet.py. Shapes: ft/zoo/regnet.py."""

import keras
from keras import KerasTensor

from ft.zoo.regnet import SHAPES, STEM
from ft_tf.layers import Linear, conv_norm_activation, squeeze_excitation
from ft_tf.precision import type_policy


def regnet_y_400mf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-400MF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_400mf", num_classes, dtype)


def regnet_y_800mf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-800MF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_800mf", num_classes, dtype)


def regnet_y_1_6gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-1.6GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_1_6gf", num_classes, dtype)


def regnet_y_3_2gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-3.2GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_3_2gf", num_classes, dtype)


def regnet_y_8gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-8GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_8gf", num_classes, dtype)


def regnet_y_16gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-16GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_16gf", num_classes, dtype)


def regnet_y_32gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-32GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_32gf", num_classes, dtype)


def regnet_y_128gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetY-128GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_y_128gf", num_classes, dtype)


def regnet_x_400mf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-400MF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_400mf", num_classes, dtype)


def regnet_x_800mf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-800MF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_800mf", num_classes, dtype)


def regnet_x_1_6gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-1.6GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_1_6gf", num_classes, dtype)


def regnet_x_3_2gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-3.2GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_3_2gf", num_classes, dtype)


def regnet_x_8gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-8GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_8gf", num_classes, dtype)


def regnet_x_16gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-16GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_16gf", num_classes, dtype)


def regnet_x_32gf(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's RegNetX-32GF: images (N, H, W, 3) -> logits (N, num_classes)."""
    return regnet("regnet_x_32gf", num_classes, dtype)


def regnet(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, four stages of bottleneck blocks, spatial mean, fc."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_norm_activation(images, "stem", STEM, 3, stride=2, activation="relu")
        stages = zip(shape.depths, shape.widths, shape.group_widths, strict=True)
        for stage, (depth, width, group_width) in enumerate(stages, start=1):
            for index in range(depth):
                path, stride = f"trunk_output.block{stage}.block{stage}-{index}", 2 if index == 0 else 1
                x = block(x, path, width, stride=stride, groups=width // group_width, squeeze=shape.squeeze)
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, Linear(num_classes, name="fc")(x), name=name)


def block(x: KerasTensor, path: str, width: int, *, stride: int, groups: int, squeeze: bool) -> KerasTensor:
    """1x1, 3x3 (which takes stride and groups), squeeze-and-excitation where asked for, and 1x1, around a shortcut."""
    y = conv_norm_activation(x, f"{path}.f.a", width, 1, activation="relu")
    y = conv_norm_activation(y, f"{path}.f.b", width, 3, stride=stride, groups=groups, activation="relu")
    if squeeze:  # to a quarter of the block's input, not of the tensor that is scaled
        y = squeeze_excitation(y, f"{path}.f.se", x.shape[-1] // 4)
    y = conv_norm_activation(y, f"{path}.f.c", width, 1)
    if stride > 1 or x.shape[-1] != width:
        x = conv_norm_activation(x, f"{path}.proj", width, 1, stride=stride)
    y = keras.layers.Add(name=f"{path}.add")([x, y])
    return keras.layers.ReLU(name=f"{path}.activation")(y)
