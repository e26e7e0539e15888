"""MobileNetV2, a port of torchvision/models/mobilenetv2.py. Blocks: ft/zoo/mobilenetv2.py."""

from collections.abc import Sequence
from itertools import count

import keras
from keras import KerasTensor

from ft.zoo import mobilenetv2 as spec
from ft_tf.layers import Conv2d, Dropout, Linear, batch_norm, conv_norm_activation
from ft_tf.precision import type_policy


def mobilenet_v2(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MobileNetV2: images (N, H, W, 3) -> logits (N, num_classes)."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        *_, x = maps(images, "features", spec.blocks())
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = Dropout(dropout, name="classifier.0")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.1")(x), name="mobilenet_v2")


def maps(images: KerasTensor, path: str, blocks: Sequence[spec.Block]) -> list[KerasTensor]:
    """Return what the stem, each of these blocks and the top make of images; they stand below `path`."""
    outputs = [conv_norm_activation(images, f"{path}.0", spec.STEM, 3, stride=2, activation="relu6")]
    for block in blocks:
        outputs.append(inverted_residual(outputs[-1], block))
    top = conv_norm_activation(outputs[-1], f"{path}.{len(blocks) + 1}", spec.TOP, 1, activation="relu6")
    return [*outputs, top]


def inverted_residual(x: KerasTensor, block: spec.Block) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), project (1x1); add the input where shapes allow."""
    paths = (f"{block.path}.conv.{place}" for place in count())
    wide, y = x.shape[-1] * block.expansion, x
    if block.expansion > 1:
        y = conv_norm_activation(y, next(paths), wide, 1, activation="relu6")
    window = {"stride": block.stride, "dilation": block.dilation}
    y = conv_norm_activation(y, next(paths), wide, 3, **window, groups=wide, activation="relu6")
    # the projection and its BatchNorm stand in the block itself, without a Sequential around them
    y = Conv2d(block.channels, 1, bias=False, name=next(paths))(y)
    y = batch_norm(name=next(paths))(y)
    residual = block.stride == 1 and x.shape[-1] == block.channels
    return keras.layers.Add(name=f"{block.path}.add")([x, y]) if residual else y
