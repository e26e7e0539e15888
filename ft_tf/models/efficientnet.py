"""EfficientNet, V1 and V2, a port of torchvision/models/efficientnet.py. Blocks: ft/zoo/efficientnet.py."""

from collections.abc import Callable
from functools import partial
from itertools import count

import keras
from keras import KerasTensor

from ft.zoo.efficientnet import SHAPES, Block
from ft_tf.layers import Dropout, Linear, StochasticDepth, conv_norm_activation, squeeze_excitation
from ft_tf.precision import type_policy

ConvNorm = Callable[..., KerasTensor]  # conv_norm_activation with the network's own eps and momentum


def efficientnet_b0(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B0: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b0", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b1(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B1: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b1", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b2(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B2: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b2", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b3(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B3: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b3", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b4(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B4: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b4", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b5(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B5: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b5", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b6(
    *, num_classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B6: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b6", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_b7(
    *, num_classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNet-B7: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_b7", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_v2_s(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNetV2-S: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_v2_s", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_v2_m(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNetV2-M: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_v2_m", num_classes, dropout, stochastic_depth, dtype)


def efficientnet_v2_l(
    *, num_classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> keras.Model:
    """Return torchvision's EfficientNetV2-L: images (N, H, W, 3) -> logits (N, num_classes)."""
    return efficientnet("efficientnet_v2_l", num_classes, dropout, stochastic_depth, dtype)


def efficientnet(name: str, num_classes: int, dropout: float, stochastic_depth: float, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, stages of inverted residual blocks, top, spatial mean, classifier."""
    shape = SHAPES[name]
    blocks = list(shape.blocks())
    conv = partial(conv_norm_activation, eps=shape.eps, momentum=shape.momentum)
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = conv(images, "features.0", shape.stem, 3, stride=2, activation="silu")
        for place, (path, block) in enumerate(blocks):
            y = fused(x, path, block, conv) if block.fused else inverted(x, path, block, conv)
            if x.shape[-1] == block.channels and block.stride == 1:
                y = StochasticDepth(stochastic_depth * place / len(blocks), name=f"{path}.stochastic_depth")(y)
                # the short way first: Keras walks the graph recursively, and the long way is deeper than a stack
                y = keras.layers.Add(name=f"{path}.add")([x, y])
            x = y
        x = conv(x, f"features.{len(shape.stages) + 1}", shape.top, 1, activation="silu")
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = Dropout(dropout, name="classifier.0")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.1")(x), name=name)


def inverted(x: KerasTensor, path: str, block: Block, conv: ConvNorm) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), scale channels, project (1x1)."""
    paths = (f"{path}.block.{place}" for place in count())
    wide, y = x.shape[-1] * block.expansion, x
    if block.expansion > 1:
        y = conv(y, next(paths), wide, 1, activation="silu")
    y = conv(y, next(paths), wide, block.kernel, stride=block.stride, groups=wide, activation="silu")
    y = squeeze_excitation(y, next(paths), x.shape[-1] // 4, activation="silu")
    return conv(y, next(paths), block.channels, 1)


def fused(x: KerasTensor, path: str, block: Block, conv: ConvNorm) -> KerasTensor:
    """Expand and filter at once, project (1x1); without an expansion one convolution does it all."""
    wide = x.shape[-1] * block.expansion if block.expansion > 1 else block.channels
    y = conv(x, f"{path}.block.0", wide, block.kernel, stride=block.stride, activation="silu")
    return conv(y, f"{path}.block.1", block.channels, 1) if block.expansion > 1 else y
