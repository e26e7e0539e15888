"""Vision Transformer, a port of torchvision/models/vision_transformer.py. Shapes: ft/zoo/vision_transformer.py."""

from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo.vision_transformer import NORM_EPS, SHAPES, Shape
from ft_tf.layers import Conv2d, Gelu, LayerNorm, Linear, SameShape, attend, linear, register, split_heads
from ft_tf.precision import type_policy


def vit_b_16(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ViT-B/16: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return vision_transformer("vit_b_16", num_classes, image_size, dtype)


def vit_b_32(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ViT-B/32: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return vision_transformer("vit_b_32", num_classes, image_size, dtype)


def vit_l_16(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ViT-L/16: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return vision_transformer("vit_l_16", num_classes, image_size, dtype)


def vit_l_32(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ViT-L/32: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return vision_transformer("vit_l_32", num_classes, image_size, dtype)


def vit_h_14(*, num_classes: int = 1000, image_size: int = 518, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ViT-H/14: images (N, image_size, image_size, 3) -> logits (N, num_classes)."""
    return vision_transformer("vit_h_14", num_classes, image_size, dtype)


@register
class Tokens(keras.layers.Reshape):
    """Patches in a row: (N, H, W, C) -> (N, H * W, C)."""

    traced_as = ""


@register
class ClassToken(keras.layers.Layer):
    """Puts a learned token before the others: (N, tokens, C) -> (N, 1 + tokens, C)."""

    traced_as = "cat"

    def build(self, input_shape: tuple) -> None:
        self.class_token = self.add_weight(name="class_token", shape=(1, 1, input_shape[-1]), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.tile(self.class_token, [tf.shape(x)[0], 1, 1]), x], 1)


@register
class PositionEmbedding(SameShape):
    """Adds a learned vector for each place in the sequence: (N, tokens, C) -> the same shape."""

    traced_as = "add"

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.pos_embedding = self.add_weight(name="pos_embedding", shape=(1, *input_shape[1:]), initializer=start)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.pos_embedding


@register
class MultiheadAttention(SameShape):
    """torch.nn.MultiheadAttention of a sequence with itself, weights in torch's layout: (N, tokens, C) -> the same."""

    def __init__(self, heads: int, **base: Any) -> None:
        super().__init__(**base)
        self.heads = heads

    def build(self, input_shape: tuple) -> None:
        width = input_shape[-1]
        self.scale = (width // self.heads) ** -0.5
        self.in_proj_weight = self.add_weight(name="in_proj_weight", shape=(3 * width, width))
        self.in_proj_bias = self.add_weight(name="in_proj_bias", shape=(3 * width,), initializer="zeros")
        self.out_proj_weight = self.add_weight(name="out_proj.weight", shape=(width, width))
        self.out_proj_bias = self.add_weight(name="out_proj.bias", shape=(width,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q, k, v = split_heads(linear(x, self.in_proj_weight, self.in_proj_bias), self.heads)
        return linear(attend(q * self.scale, k, v), self.out_proj_weight, self.out_proj_bias)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}


@register
class FirstToken(keras.layers.Layer):
    """The token that the head reads: (N, tokens, C) -> (N, C)."""

    traced_as = ""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, 0]


def vision_transformer(name: str, num_classes: int, image_size: int, dtype: str) -> keras.Model:
    """Return the Vision Transformer called `name`: patches to tokens, encoder, and a head on the class token."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((image_size, image_size, 3), dtype=dtype, name="images")
        x = Conv2d(shape.width, shape.patch, stride=shape.patch, name="conv_proj")(images)
        x = Tokens((-1, shape.width), name="tokens")(x)
        x = ClassToken(name="class_token")(x)
        x = PositionEmbedding(name="encoder.pos_embedding")(x)
        for index in range(shape.layers):
            x = encoder_layer(x, f"encoder.layers.encoder_layer_{index}", shape)
        x = LayerNorm(eps=NORM_EPS, name="encoder.ln")(x)
        x = FirstToken(name="first_token")(x)
        return keras.Model(images, Linear(num_classes, name="heads.head")(x), name=name)


def encoder_layer(x: KerasTensor, path: str, shape: Shape) -> KerasTensor:
    """Self-attention, then a two-layer perceptron, each normalised first and beside the identity."""
    y = LayerNorm(eps=NORM_EPS, name=f"{path}.ln_1")(x)
    y = MultiheadAttention(shape.heads, name=f"{path}.self_attention")(y)
    x = keras.layers.Add(name=f"{path}.add")([y, x])
    y = LayerNorm(eps=NORM_EPS, name=f"{path}.ln_2")(x)
    y = Linear(shape.hidden, name=f"{path}.mlp.0")(y)
    y = Gelu(name=f"{path}.mlp.1")(y)
    y = Linear(shape.width, name=f"{path}.mlp.3")(y)
    return keras.layers.Add(name=f"{path}.add.1")([x, y])
