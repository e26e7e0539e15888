"""Xception: separable convolutions with residuals around them.

The convolutions and additions around the blocks have no names in Keras's source; here they are `block2_residual`,
`block2_residual_bn` and `block2_add`, after the block that they lead around.
Source: keras/src/applications/xception.py.
"""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.keras_applications.published import published

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.99
STEM = (32, 64)  # of block1's two convolutions
TOP = (1536, 2048)  # of block14's two separable convolutions


@dataclass(frozen=True)
class Block:
    """Separable convolutions with an activation before each, and a residual around them.

    channels: into the block, then out of each convolution; strided: whether the block halves the image, with a
    convolution in its residual; activated: whether its first convolution has an activation of its own.
    """

    path: str
    channels: tuple[int, ...]
    strided: bool
    activated: bool = True


def blocks() -> list[Block]:
    """Return the blocks with a residual in order, block2 to block13."""
    return [
        Block("block2", (64, 128, 128), strided=True, activated=False),
        Block("block3", (128, 256, 256), strided=True),
        Block("block4", (256, 728, 728), strided=True),
        *(Block(f"block{number}", (728, 728, 728, 728), strided=False) for number in range(5, 13)),
        Block("block13", (728, 728, 1024), strided=True),
    ]


def own_names() -> dict[str, list[str]]:
    """Return the names of the layers that Keras numbers on the fly (add, add_1, ...), by kind, in their order."""
    strided = [block.path for block in blocks() if block.strided]
    return {
        "conv2d": [f"{path}_residual" for path in strided],
        "batch_normalization": [f"{path}_residual_bn" for path in strided],
        "add": [f"{block.path}_add" for block in blocks()],
    }


CARD = Card(
    name="keras/xception",
    family="keras_applications",
    parameters=22_855_952,
    stages={**{f"block{number}": (f"block{number}_",) for number in range(1, 15)}, "head": ("predictions",)},
    last="predictions",
    pretrained=published(
        "tensorflow/keras-applications/xception/xception_weights_tf_dim_ordering_tf_kernels.h5",
        md5="0a58e3b7378bc2990ea3b43d5981f1f6",
        mode="tf",
        size=299,
        top1=79.0,
        licence="MIT",
    ),
    sized=True,
    by_place=True,
    min_size=71,
    tail=("avg_pool",),
    pool="avg_pool",
)
