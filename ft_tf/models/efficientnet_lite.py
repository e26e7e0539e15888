"""EfficientNet-Lite, with torchvision's EfficientNet names. Shapes: ft/zoo/efficientnet_lite.py."""

import keras
from keras import KerasTensor

from ft.zoo import efficientnet_lite as spec
from ft_tf.layers import BatchNorm2d, Conv2d, Dropout, Linear, StochasticDepth
from ft_tf.precision import type_policy


def efficientnet_lite0(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return EfficientNet-Lite0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet_lite("efficientnet_lite0", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_lite1(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return EfficientNet-Lite1: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet_lite("efficientnet_lite1", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_lite2(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return EfficientNet-Lite2: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet_lite("efficientnet_lite2", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_lite3(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return EfficientNet-Lite3: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet_lite("efficientnet_lite3", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_lite4(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return EfficientNet-Lite4: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet_lite("efficientnet_lite4", num_classes, dropout, stochastic_depth, dtype)


def conv_norm(x: KerasTensor, path: str, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> KerasTensor:
    """Apply a convolution without bias and its BatchNorm, `path`.0 and `path`.1."""
    x = Conv2d(channels, kernel, stride=stride, padding="same", groups=groups, bias=False, name=f"{path}.0")(x)
    return BatchNorm2d(eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM, name=f"{path}.1")(x)


def conv_norm_relu6(
    x: KerasTensor, path: str, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and ReLU6, `path`.0 to `path`.2."""
    return keras.layers.ReLU(6, name=f"{path}.2")(conv_norm(x, path, channels, kernel, stride, groups))


def inverted_residual(x: KerasTensor, block: spec.Block, stochastic_depth: float) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), project (1x1); add the input where shapes allow."""
    wide, first = block.channels_in * block.expansion, int(block.expansion > 1)
    y = conv_norm_relu6(x, f"{block.path}.block.0", wide, 1) if block.expansion > 1 else x
    y = conv_norm_relu6(y, f"{block.path}.block.{first}", wide, block.kernel, block.stride, groups=wide)
    y = conv_norm(y, f"{block.path}.block.{first + 1}", block.channels_out, 1)
    if not block.residual:
        return y
    y = StochasticDepth(stochastic_depth * block.depth_share, name=f"{block.path}.stochastic_depth")(y)
    return keras.layers.Add(name=f"{block.path}.add")([y, x])


def efficientnet_lite(name: str, num_classes: int, dropout: float, stochastic_depth: float, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, seven stages, top, and a classifier on the spatial mean."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv_norm_relu6(images, "features.0", spec.STEM, 3, 2)
        for block in spec.blocks(name):
            x = inverted_residual(x, block, stochastic_depth)
        x = conv_norm_relu6(x, "features.8", spec.TOP, 1)
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
        x = Dropout(dropout, name="classifier.0")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.1")(x), name=name)
