"""LRASPP: the cards, and the head's width. Source: torchvision/models/segmentation/lraspp.py."""

from ft.zoo.backbone import BACKBONES, card_fields
from ft.zoo.card import Card
from ft.zoo.voc import FILES

CHANNELS = 128


def card(backbone: str, parameters: int) -> Card:
    """Return the card of the LRASPP on this backbone."""
    own = BACKBONES[backbone]
    return Card(
        **card_fields(f"lraspp_{backbone}", own, deep="high", shallow="low"),
        family="lraspp",
        parameters=parameters,
        stages={**own.stages, "head": ("classifier",)},
        last="classifier.high_classifier",
        beside=("classifier.low_classifier",),
    )


CARDS = [
    card("mobilenet_v3_large", FILES["lraspp_mobilenet_v3_large"][2]),
    card("mobilenet_v2", 2_555_210),
]
