"""A network for segmentation or detection in two: the backbone, which gives maps by tap, and the head for these."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torchvision.models.segmentation.lraspp import LRASPPHead

from ft.zoo import Card
from ft_torch.layers import resize_bilinear
from ft_torch.models.fasterrcnn import TwoStages
from ft_torch.models.onestage import OneStageNetwork

Maps = dict[str, Tensor]


class TapHead(nn.Module):
    """The heads of a network, its own modules: maps by tap -> logits (N, K, *size) by name, "out" and "aux".

    auxiliary: whether the auxiliary head takes part.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.classifier = model.get_submodule("classifier")
        self.aux_classifier = getattr(model, "aux_classifier", None)

    def forward(self, features: Mapping[str, Tensor], size: tuple[int, int], *, auxiliary: bool = True) -> Maps:
        alone = not isinstance(self.classifier, LRASPPHead)
        logits = {"out": self.classifier(features["out"] if alone else features)}
        if auxiliary and self.aux_classifier is not None:
            logits["aux"] = self.aux_classifier(features["aux"])
        return {name: resize_bilinear(x, size) for name, x in logits.items()}


def split_at_taps(model: nn.Module, card: Card) -> tuple[Callable[[Tensor], Maps], Callable[..., Maps]]:
    """Return the network as two callables: images (N, C, H, W) -> maps by the card's taps, and the head, which takes
    these and the images' size.
    """
    if isinstance(model, TwoStages):
        return model.backbone.get_submodule("body"), BoxHead(model)
    if isinstance(model, OneStageNetwork):
        return model.body, BoxHead(model)

    def base(images: Tensor) -> Maps:
        maps = model.get_submodule("backbone")(images)
        return {tap: maps[tap] for tap in card.taps}

    return base, TapHead(model)


class BoxHead:
    """What is behind the body of a detector, its own modules: maps by tap -> outputs, or what a step learns from."""

    def __init__(self, model: TwoStages | OneStageNetwork) -> None:
        self.model = model

    def __call__(
        self, features: Mapping[str, Tensor], size: tuple[int, int], *, targets: Maps | None = None, **_: bool
    ) -> Maps:
        maps = {tap: x for tap, x in features.items() if tap not in ("images", "sizes")}
        return self.model.answer(maps, size, targets, features["sizes"].numpy() if "sizes" in features else None)
