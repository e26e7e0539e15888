"""MNASNet, a port of torchvision/models/mnasnet.py. Stages: ft/zoo/mnasnet.py."""

import keras
from keras import KerasTensor

from ft.zoo import mnasnet as spec
from ft_tf.layers import BatchNorm2d, Conv2d, Dropout, Linear
from ft_tf.precision import type_policy


def mnasnet0_5(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MNASNet 0.5: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mnasnet("mnasnet0_5", num_classes, dropout, dtype)


def mnasnet0_75(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MNASNet 0.75: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mnasnet("mnasnet0_75", num_classes, dropout, dtype)


def mnasnet1_0(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MNASNet 1.0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mnasnet("mnasnet1_0", num_classes, dropout, dtype)


def mnasnet1_3(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MNASNet 1.3: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mnasnet("mnasnet1_3", num_classes, dropout, dtype)


def mnasnet(name: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, six stacks of inverted residual blocks, top, spatial mean, classifier."""
    first, second = (spec.widened(channels, name) for channels in spec.STEM)
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_norm_relu(images, "layers", 0, first, 3, stride=2)
        x = conv_norm_relu(x, "layers", 3, first, 3, groups=first)
        x = conv_norm(x, "layers", 6, second, 1)
        for place, stage in enumerate(spec.STAGES, start=8):
            x = stack(x, f"layers.{place}", stage, spec.widened(stage.channels, name))
        x = conv_norm_relu(x, "layers", 14, spec.TOP, 1)
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
        x = Dropout(dropout, name="classifier.0")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.1")(x), name=name)


def stack(x: KerasTensor, path: str, stage: spec.Stage, channels: int) -> KerasTensor:
    """Apply a stage's inverted residual blocks, the stride in the first."""
    for index in range(stage.depth):
        x = inverted_residual(x, f"{path}.{index}", stage, channels, stage.stride if index == 0 else 1)
    return x


def inverted_residual(x: KerasTensor, path: str, stage: spec.Stage, channels: int, stride: int) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), project (1x1); add the input where shapes allow."""
    inner, wide = f"{path}.layers", x.shape[-1] * stage.expansion
    y = conv_norm_relu(x, inner, 0, wide, 1)
    y = conv_norm_relu(y, inner, 3, wide, stage.kernel, stride=stride, groups=wide)
    y = conv_norm(y, inner, 6, channels, 1)
    residual = stride == 1 and x.shape[-1] == channels
    return keras.layers.Add(name=f"{path}.add")([y, x]) if residual else y


def conv_norm_relu(
    x: KerasTensor, path: str, place: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and ReLU: three modules in a row of one long Sequential."""
    x = conv_norm(x, path, place, channels, kernel, stride=stride, groups=groups)
    return keras.layers.ReLU(name=f"{path}.{place + 2}")(x)


def conv_norm(
    x: KerasTensor, path: str, place: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> KerasTensor:
    """Apply a convolution without bias and its BatchNorm, `path`.`place` and the next."""
    padding, name = kernel // 2, f"{path}.{place}"
    x = Conv2d(channels, kernel, stride=stride, padding=padding, groups=groups, bias=False, name=name)(x)
    return BatchNorm2d(momentum=spec.NORM_MOMENTUM, name=f"{path}.{place + 1}")(x)
