"""MobileNetV3, a port of torchvision/models/mobilenetv3.py. Blocks: ft/zoo/mobilenetv3.py."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

import keras
from keras import KerasTensor

from ft.zoo import mobilenetv3 as spec
from ft.zoo.width import scaled
from ft_tf.layers import Dropout, Linear, conv_norm_activation, squeeze_excitation
from ft_tf.precision import type_policy

conv_norm = partial(conv_norm_activation, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM)


def mobilenet_v3_large(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MobileNetV3-Large: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mobilenet_v3("mobilenet_v3_large", num_classes, dropout, dtype)


def mobilenet_v3_small(*, num_classes: int = 1000, dropout: float = 0.2, dtype: str = "float32") -> keras.Model:
    """Return torchvision's MobileNetV3-Small: images (N, H, W, 3) -> logits (N, num_classes)."""
    return mobilenet_v3("mobilenet_v3_small", num_classes, dropout, dtype)


def mobilenet_v3(name: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the network called `name`: stem, blocks, top, spatial mean, and a classifier of two linear layers."""
    shape = spec.SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        *_, x = maps(images, "features", shape.blocks)
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = Linear(shape.hidden, name="classifier.0")(x)
        x = keras.layers.Activation("hard_silu", name="classifier.1")(x)
        x = Dropout(dropout, name="classifier.2")(x)
        return keras.Model(images, Linear(num_classes, name="classifier.3")(x), name=name)


def maps(images: KerasTensor, path: str, blocks: Sequence[spec.Block]) -> list[KerasTensor]:
    """Return what the stem, each of these blocks and the top make of images; they stand below `path`."""
    outputs = [stem(images, f"{path}.0")]
    for place, block in enumerate(blocks, start=1):
        outputs.append(inverted_residual(outputs[-1], f"{path}.{place}", block))
    return [*outputs, top(outputs[-1], f"{path}.{len(blocks) + 1}", spec.top(blocks))]


def stem(images: KerasTensor, path: str) -> KerasTensor:
    """Return what the first convolution makes of images."""
    return conv_norm(images, path, spec.STEM, 3, stride=2, activation="hard_silu")


def top(x: KerasTensor, path: str, channels: int) -> KerasTensor:
    """Return what the last convolution makes of the last block's map."""
    return conv_norm(x, path, channels, 1, activation="hard_silu")


def inverted_residual(x: KerasTensor, path: str, block: spec.Block) -> KerasTensor:
    """Expand (1x1), filter each channel (depthwise), scale channels, project; add the input where shapes allow."""
    paths = (f"{path}.block.{place}" for place in count())
    y = expanded(x, next(paths), block) if block.wide != x.shape[-1] else x
    y = projected(y, paths, block)
    residual = block.stride == 1 and x.shape[-1] == block.channels
    return keras.layers.Add(name=f"{path}.add")([y, x]) if residual else y


def expanded(x: KerasTensor, path: str, block: spec.Block) -> KerasTensor:
    """Return what a block widens its input to."""
    return conv_norm(x, path, block.wide, 1, activation=activation_of(block))


def projected(y: KerasTensor, paths: Iterator[str], block: spec.Block) -> KerasTensor:
    """Filter each channel, scale channels and project to the block's, by the next of the paths."""
    window = {"stride": block.stride, "dilation": block.dilation, "groups": block.wide}
    y = conv_norm(y, next(paths), block.wide, block.kernel, **window, activation=activation_of(block))
    if block.squeeze:
        y = squeeze_excitation(y, next(paths), scaled(block.wide, 1 / 4), scale_activation="hard_sigmoid")
    return conv_norm(y, next(paths), block.channels, 1)


def activation_of(block: spec.Block) -> str:
    """Return what follows a block's convolutions but the last."""
    return "hard_silu" if block.hard else "relu"
