"""ConvNeXt: the shapes that the Keras port builds from, and the cards. Source: torchvision/models/convnext.py."""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters

NORM_EPS = 1e-6


@dataclass(frozen=True)
class Shape:
    """A ConvNeXt's channels and number of blocks in each of its four stages, and its published rate of noise."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    stochastic_depth: float

    def rates(self, stochastic_depth: float) -> list[float]:
        """Return the stochastic depth of each block: it grows from 0 to the network's rate."""
        return [stochastic_depth * block / (sum(self.depths) - 1) for block in range(sum(self.depths))]


SHAPES = {
    "convnext_tiny": Shape((96, 192, 384, 768), (3, 3, 9, 3), 0.1),
    "convnext_small": Shape((96, 192, 384, 768), (3, 3, 27, 3), 0.4),
    "convnext_base": Shape((128, 256, 512, 1024), (3, 3, 27, 3), 0.5),
    "convnext_large": Shape((192, 384, 768, 1536), (3, 3, 27, 3), 0.5),
}

STAGES = {
    "stem": ("features.0",),
    "stage1": ("features.1",),
    "stage2": ("features.2", "features.3"),
    "stage3": ("features.4", "features.5"),
    "stage4": ("features.6", "features.7"),
    "head": ("classifier",),
}


def card(name: str) -> Card:
    """Return the card of one ConvNeXt."""
    return Card(
        name=name,
        family="convnext",
        parameters=published_parameters(name),
        stages=STAGES,
        last="classifier.2",
        pretrained=published(name),
        stochastic_depth=SHAPES[name].stochastic_depth,
        min_size=published_min_size(name),
    )


CARDS = [card(name) for name in SHAPES]
