"""DeepLabV3: the cards, and what the head's layers have. Source: torchvision/models/segmentation/deeplabv3.py."""

from ft.zoo.backbone import BACKBONES, card_fields
from ft.zoo.card import Card
from ft.zoo.fcn import AUXILIARY, HEAD
from ft.zoo.voc import FILES

RATES = (12, 24, 36)
CHANNELS = 256
DROPOUT = 0.5


def card(backbone: str, parameters: int) -> Card:
    """Return the card of the DeepLabV3 on this backbone."""
    own = BACKBONES[backbone]
    return Card(
        **card_fields(f"deeplabv3_{backbone}", own, deep="out", shallow="aux"),
        family="deeplabv3",
        parameters=parameters,
        stages={**own.stages, "head": HEAD},
        last="classifier.4",
        auxiliary={"aux_classifier.4": AUXILIARY},
        dropout=DROPOUT,
    )


CARDS = [
    card("resnet50", FILES["deeplabv3_resnet50"][2]),
    card("resnet101", FILES["deeplabv3_resnet101"][2]),
    card("mobilenet_v3_large", FILES["deeplabv3_mobilenet_v3_large"][2]),
    card("mobilenet_v2", 12_655_586),
]
