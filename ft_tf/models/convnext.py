"""ConvNeXt, a port of torchvision/models/convnext.py. Shapes: ft/zoo/convnext.py."""

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo.convnext import NORM_EPS, SHAPES
from ft_tf.layers import Conv2d, Gelu, LayerNorm, Linear, SameShape, StochasticDepth, register
from ft_tf.precision import type_policy


def convnext_tiny(*, num_classes: int = 1000, stochastic_depth: float = 0.1, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ConvNeXt-Tiny: images (N, H, W, 3) -> logits (N, num_classes)."""
    return convnext("convnext_tiny", num_classes, stochastic_depth, dtype)


def convnext_small(*, num_classes: int = 1000, stochastic_depth: float = 0.4, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ConvNeXt-Small: images (N, H, W, 3) -> logits (N, num_classes)."""
    return convnext("convnext_small", num_classes, stochastic_depth, dtype)


def convnext_base(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ConvNeXt-Base: images (N, H, W, 3) -> logits (N, num_classes)."""
    return convnext("convnext_base", num_classes, stochastic_depth, dtype)


def convnext_large(*, num_classes: int = 1000, stochastic_depth: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ConvNeXt-Large: images (N, H, W, 3) -> logits (N, num_classes)."""
    return convnext("convnext_large", num_classes, stochastic_depth, dtype)


@register
class LayerScale(SameShape):
    """A learned factor for each channel, kept in torchvision's shape (C, 1, 1): (N, H, W, C) -> the same shape."""

    traced_as = "mul"

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.Constant(1e-6)
        self.layer_scale = self.add_weight(name="layer_scale", shape=(input_shape[-1], 1, 1), initializer=start)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.reshape(tf.convert_to_tensor(self.layer_scale), [-1])


def convnext(name: str, num_classes: int, stochastic_depth: float, dtype: str) -> keras.Model:
    """Return the ConvNeXt called `name`: stem, four stages, each entered by a downsampling, and a classifier."""
    shape = SHAPES[name]
    rates = iter(shape.rates(stochastic_depth))
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        x = Conv2d(shape.widths[0], 4, stride=4, name="features.0.0")(images)
        x = LayerNorm(eps=NORM_EPS, name="features.0.1")(x)
        for stage, (width, depth) in enumerate(zip(shape.widths, shape.depths, strict=True)):
            if stage > 0:
                x = LayerNorm(eps=NORM_EPS, name=f"features.{2 * stage}.0")(x)
                x = Conv2d(width, 2, stride=2, name=f"features.{2 * stage}.1")(x)
            for index in range(depth):
                x = block(x, f"features.{2 * stage + 1}.{index}", next(rates))
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        x = LayerNorm(eps=NORM_EPS, name="classifier.0")(x)
        x = keras.layers.Identity(name="classifier.1")(x)  # where torchvision flattens
        return keras.Model(images, Linear(num_classes, name="classifier.2")(x), name=name)


def block(x: KerasTensor, path: str, rate: float) -> KerasTensor:
    """7x7 depthwise convolution and a two-layer perceptron, scaled, beside the identity."""
    width = x.shape[-1]
    y = Conv2d(width, 7, padding=3, groups=width, name=f"{path}.block.0")(x)
    y = LayerNorm(eps=NORM_EPS, name=f"{path}.block.2")(y)
    y = Linear(4 * width, name=f"{path}.block.3")(y)
    y = Gelu(name=f"{path}.block.4")(y)
    y = Linear(width, name=f"{path}.block.5")(y)
    y = LayerScale(name=f"{path}.layer_scale")(y)
    y = StochasticDepth(rate, name=f"{path}.stochastic_depth")(y)
    return keras.layers.Add(name=f"{path}.add")([y, x])
