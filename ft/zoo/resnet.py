"""ResNet: block counts that the Keras port builds from, and the cards. Source: torchvision/models/resnet.py."""

from dataclasses import dataclass
from typing import Literal

from ft.data.preprocess import Preprocess
from ft.zoo.card import Card, Pretrained

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Shape:
    """A ResNet's block and its number of blocks in layer1 to layer4, of 64, 128, 256 and 512 planes."""

    block: Literal["basic", "bottleneck"]
    depths: tuple[int, int, int, int]


SHAPES = {
    "resnet18": Shape("basic", (2, 2, 2, 2)),
    "resnet34": Shape("basic", (3, 4, 6, 3)),
    "resnet50": Shape("bottleneck", (3, 4, 6, 3)),
    "resnet101": Shape("bottleneck", (3, 4, 23, 3)),
    "resnet152": Shape("bottleneck", (3, 8, 36, 3)),
}

STAGES = {
    "stem": ("conv1", "bn1"),
    **{layer: (layer,) for layer in ("layer1", "layer2", "layer3", "layer4")},
    "head": ("fc",),
}


def published(version: str, name: str, digest: str, top1: float, resize: int) -> Pretrained:
    """Return one entry; torchvision's file names end in the first eight digits of the sha256."""
    filename = f"{name}-{digest}.pth"
    return Pretrained(
        name=version,
        filename=filename,
        sha256=digest,
        url=f"https://download.pytorch.org/models/{filename}",
        preprocess=Preprocess(resize=resize, crop=224, interpolation="bilinear", mean=MEAN, std=STD),
        top1=top1,
    )


def card(name: str, parameters: int, *entries: Pretrained) -> Card:
    """Return the card of one ResNet, its default weights first."""
    return Card(name=name, family="resnet", parameters=parameters, stages=STAGES, last="fc", pretrained=entries)


V1, V2 = "IMAGENET1K_V1", "IMAGENET1K_V2"
CARDS = [
    card("resnet18", 11_689_512, published(V1, "resnet18", "f37072fd", 69.758, 256)),
    card("resnet34", 21_797_672, published(V1, "resnet34", "b627a593", 73.314, 256)),
    card(
        "resnet50",
        25_557_032,
        published(V2, "resnet50", "11ad3fa6", 80.858, 232),
        published(V1, "resnet50", "0676ba61", 76.130, 256),
    ),
    card(
        "resnet101",
        44_549_160,
        published(V2, "resnet101", "cd907fc2", 81.886, 232),
        published(V1, "resnet101", "63fe2227", 77.374, 256),
    ),
    card(
        "resnet152",
        60_192_808,
        published(V2, "resnet152", "f82ba261", 82.284, 232),
        published(V1, "resnet152", "394f9c45", 78.312, 256),
    ),
]
