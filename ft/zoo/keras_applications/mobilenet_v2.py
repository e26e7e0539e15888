"""Keras's MobileNetV2: strided convolutions pad more at the end, eps 1e-3, statistics that move by a thousandth.

Source: keras/src/applications/mobilenet_v2.py.
"""

from ft.zoo.card import Card
from ft.zoo.keras_applications.published import published
from ft.zoo.mobilenetv2 import STAGES, STEM, TOP, Block
from ft.zoo.mobilenetv2 import blocks as torchvisions

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.999

__all__ = ["CARD", "NORM_EPS", "NORM_MOMENTUM", "STEM", "TOP", "Block", "blocks"]


def blocks() -> list[Block]:
    """Return the blocks in order, expanded_conv, then block_1 to block_16; shapes are those of torchvision's."""
    return [
        Block(
            f"block_{place}" if place else "expanded_conv", block.stage, block.expansion, block.channels, block.stride
        )
        for place, block in enumerate(torchvisions())
    ]


def stages() -> dict[str, tuple[str, ...]]:
    """Return the module paths of each stage."""
    inner = {
        f"stage{stage}": tuple(f"{block.path}_" for block in blocks() if block.stage == stage)
        for stage in range(1, len(STAGES) + 1)
    }
    return {"stem": ("Conv1", "bn_Conv1"), **inner, "top": ("Conv_1", "Conv_1_bn"), "head": ("predictions",)}


CARD = Card(
    name="keras/mobilenet_v2",
    family="keras_applications",
    parameters=3_504_872,
    stages=stages(),
    last="predictions",
    pretrained=published(
        "tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        md5=None,
        mode="tf",
        size=224,
        top1=71.3,
    ),
    sized=True,
    by_place=True,
    min_size=32,
    tail=("avg_pool",),
    pool="avg_pool",
)
