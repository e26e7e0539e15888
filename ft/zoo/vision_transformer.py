"""Vision Transformer: the shapes that the Keras port builds from, and the cards.

Source: torchvision/models/vision_transformer.py.
"""

import re
from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

NORM_EPS = 1e-6


@dataclass(frozen=True)
class Shape:
    """Pixels a side of a patch, encoder layers, attention heads, features of a token and inside of the perceptron."""

    patch: int
    layers: int
    heads: int
    width: int
    hidden: int


SHAPES = {
    "vit_b_16": Shape(16, 12, 12, 768, 3072),
    "vit_b_32": Shape(32, 12, 12, 768, 3072),
    "vit_l_16": Shape(16, 24, 16, 1024, 4096),
    "vit_l_32": Shape(32, 24, 16, 1024, 4096),
    "vit_h_14": Shape(14, 32, 16, 1280, 5120),
}


def stages(shape: Shape) -> dict[str, tuple[str, ...]]:
    """Return the stages: what makes tokens of an image, each encoder layer, the last normalisation, the head."""
    layers = {f"layer{i}": (f"encoder.layers.encoder_layer_{i}",) for i in range(shape.layers)}
    stem = ("class_token", "conv_proj", "encoder.pos_embedding")
    return {"stem": stem, **layers, "top": ("encoder.ln",), "head": ("heads",)}


def canonical_name(name: str) -> str:
    """Return today's name of a published tensor: the perceptron's layers were `linear_1` and `linear_2` once.

    Source: torchvision/models/vision_transformer.py, MLPBlock._load_from_state_dict.
    """
    match = re.fullmatch(r"(.*\.mlp)\.linear_([12])\.(weight|bias)", name)
    return f"{match[1]}.{3 * (int(match[2]) - 1)}.{match[3]}" if match else name


def card(name: str) -> Card:
    """Return the card of one Vision Transformer: its position embedding has a row for each patch of one image size."""
    shape = SHAPES[name]
    return Card(
        name=name,
        family="vision_transformer",
        tail=("first_token",),
        pool=None,
        parameters=published_parameters(name),
        stages=stages(shape),
        last="heads.head",
        pretrained=published(name),
        sized=True,
        min_size=shape.patch,
        size_step=shape.patch,
        renames=canonical_name,
    )


CARDS = [card(name) for name in SHAPES]
