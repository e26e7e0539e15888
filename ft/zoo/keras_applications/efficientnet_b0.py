"""Keras's EfficientNet-B0: takes pixels of 0 to 255 and normalises them itself; strided convolutions pad as "same".

The network is the one that Keras builds for its ImageNet weights: behind `normalization` stands one more scaling, by
1 / sqrt(std), because that layer divides by the root of what the weights keep as std. Without weights Keras leaves the
scaling out. Source: keras/src/applications/efficientnet.py.
"""

import math
from dataclasses import dataclass

import numpy as np

from ft.zoo.card import Card
from ft.zoo.efficientnet import B0
from ft.zoo.keras_applications.published import NUMBERS, published

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.99
STEM, TOP = 32, 1280
MEAN, STD = NUMBERS["torch"]
# Keras's Rescaling rounds its numbers to float32, whatever the type of the network
RESCALING = float(np.float32(1 / 255))
SCALE = tuple(float(np.float32(1 / math.sqrt(std))) for std in STD)
DROPOUT, DROP_CONNECT = 0.2, 0.2


@dataclass(frozen=True)
class Block:
    """One inverted residual block: its path, its shape, and its share of the stochastic depth rate (0 to 1)."""

    path: str
    channels_in: int
    channels_out: int
    expansion: int
    kernel: int
    stride: int
    depth_share: float

    @property
    def squeezed(self) -> int:
        """Channels between the two convolutions of the squeeze-and-excitation: a quarter of the block's input."""
        return max(1, self.channels_in // 4)

    @property
    def residual(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


def blocks() -> list[Block]:
    """Return the blocks in order, block1a to block7a."""
    rows, channels = [], STEM
    for stage, (shape, count) in enumerate(B0, start=1):
        for index in range(count):
            stride = shape.stride if index == 0 else 1
            path = f"block{stage}{'abcd'[index]}"
            rows.append((path, channels, shape.channels, shape.expansion, shape.kernel, stride))
            channels = shape.channels
    return [Block(*row, depth_share=index / len(rows)) for index, row in enumerate(rows)]


def constants() -> dict[str, np.ndarray]:
    """Return what `normalization` keeps in the published file; it is never trained."""
    mean, variance = (np.array(numbers, np.float32) for numbers in (MEAN, STD))
    count = np.zeros((), np.int64)
    return {"normalization.mean": mean, "normalization.variance": variance, "normalization.count": count}


def stages() -> dict[str, tuple[str, ...]]:
    """Return the module paths of each stage."""
    inner = {
        f"block{stage}": tuple(f"{block.path}_" for block in blocks() if block.path.startswith(f"block{stage}"))
        for stage in range(1, len(B0) + 1)
    }
    stem = ("normalization", "stem_conv", "stem_bn")
    return {"stem": stem, **inner, "top": ("top_conv", "top_bn"), "head": ("top_dropout", "predictions")}


CARD = Card(
    name="keras/efficientnet_b0",
    family="keras_applications",
    parameters=5_288_548,
    stages=stages(),
    last="predictions",
    pretrained=published(
        "keras-applications/efficientnetb0.h5",
        md5="902e53a9f72be733fc0bcb005b3ebbac",
        mode="raw",
        size=224,
        top1=77.1,
    ),
    dropout=DROPOUT,
    stochastic_depth=DROP_CONNECT,
    sized=True,
    by_place=True,
    min_size=32,
    constants=constants,
    tail=("avg_pool",),
    pool="avg_pool",
)
