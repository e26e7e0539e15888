"""FCN: the cards, and what the heads have. Source: torchvision/models/segmentation/fcn.py."""

from ft.zoo.backbone import BACKBONES, card_fields
from ft.zoo.card import Card
from ft.zoo.voc import FILES

DROPOUT = 0.1
AUXILIARY = 0.5  # what the auxiliary loss counts, torchvision's references/segmentation/train.py
HEAD = ("aux_classifier", "classifier")


def card(backbone: str, parameters: int, *, family: str = "fcn", dropout: float = DROPOUT) -> Card:
    """Return the card of the FCN, or of the DeepLabV3, which differs in its classifier alone, on this backbone."""
    own = BACKBONES[backbone]
    return Card(
        **card_fields(f"{family}_{backbone}", own, deep="out", shallow="aux"),
        family=family,
        parameters=parameters,
        stages={**own.stages, "head": HEAD},
        last="classifier.4",
        auxiliary={"aux_classifier.4": AUXILIARY},
        dropout=dropout,
    )


CARDS = [
    card("resnet50", FILES["fcn_resnet50"][2]),
    card("resnet101", FILES["fcn_resnet101"][2]),
    card("mobilenet_v2", 5_920_162),
]
