"""MobileNetV2, a port of torchvision/models/mobilenetv2.py. Blocks: ft/zoo/mobilenetv2.py."""

from collections.abc import Iterator, Sequence
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
    outputs = [stem(images, f"{path}.0")]
    for block in blocks:
        outputs.append(inverted_residual(outputs[-1], block.path, block))
    return [*outputs, top(outputs[-1], f"{path}.{len(blocks) + 1}", spec.TOP)]


def stem(images: KerasTensor, path: str) -> KerasTensor:
    """Return what the first convolution makes of images."""
    return conv_norm_activation(images, path, spec.STEM, 3, stride=2, activation="relu6")


def top(x: KerasTensor, path: str, channels: int) -> KerasTensor:
    """Return what the last convolution makes of the last block's map."""
    return conv_norm_activation(x, path, channels, 1, activation="relu6")


def inverted_residual(x: KerasTensor, path: str, block: spec.Block) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), project (1x1); add the input where shapes allow."""
    paths = (f"{path}.conv.{place}" for place in count())
    y = expanded(x, next(paths), block) if block.expansion > 1 else x
    y = projected(y, paths, block)
    residual = block.stride == 1 and x.shape[-1] == block.channels
    return keras.layers.Add(name=f"{path}.add")([x, y]) if residual else y


def expanded(x: KerasTensor, path: str, block: spec.Block) -> KerasTensor:
    """Return what a block widens its input to."""
    return conv_norm_activation(x, path, x.shape[-1] * block.expansion, 1, activation="relu6")


def projected(y: KerasTensor, paths: Iterator[str], block: spec.Block) -> KerasTensor:
    """Filter each channel and project to the block's channels, by the next of the paths."""
    window = {"stride": block.stride, "dilation": block.dilation}
    y = conv_norm_activation(y, next(paths), y.shape[-1], 3, **window, groups=y.shape[-1], activation="relu6")
    # the projection and its BatchNorm stand in the block itself, without a Sequential around them
    y = Conv2d(block.channels, 1, bias=False, name=next(paths))(y)
    return batch_norm(name=next(paths))(y)
