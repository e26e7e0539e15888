"""Keras's ResNet-50: strides in the first 1x1 convolution of a block, convolutions with biases, eps 1.001e-5.

Source: keras/src/applications/resnet.py.
"""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.keras_applications.published import published

NORM_EPS, NORM_MOMENTUM = 1.001e-5, 0.99
STEM = 64
DEPTHS = {"conv2": 3, "conv3": 4, "conv4": 6, "conv5": 3}


@dataclass(frozen=True)
class Block:
    """One bottleneck block; the first of a stage has a convolution in its shortcut. Its output has 4 * channels."""

    path: str
    channels_in: int
    channels: int
    stride: int
    shortcut: bool


def blocks() -> list[Block]:
    """Return the blocks in order, conv2_block1 to conv5_block3."""
    rows, channels_in = [], STEM
    for place, (stage, depth) in enumerate(DEPTHS.items()):
        channels = STEM << place
        for index in range(depth):
            stride = 2 if place and not index else 1
            rows.append(Block(f"{stage}_block{index + 1}", channels_in, channels, stride, shortcut=index == 0))
            channels_in = 4 * channels
    return rows


CARD = Card(
    name="keras/resnet50",
    family="keras_applications",
    parameters=25_583_592,
    stages={"stem": ("conv1_",), **{stage: (f"{stage}_",) for stage in DEPTHS}, "head": ("predictions",)},
    last="predictions",
    pretrained=published(
        "tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        md5="2cb95161c43110f7111970584f804107",
        mode="caffe",
        size=224,
        top1=74.9,
        licence="MIT",
    ),
    sized=True,
    by_place=True,
    min_size=32,
    tail=("avg_pool",),
    pool="avg_pool",
)
