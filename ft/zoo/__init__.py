"""The zoo: a card for every network, found by its name."""

from ft.errors import RecipeError, unknown
from ft.zoo import (
    alexnet,
    convnext,
    densenet,
    efficientnet,
    efficientnet_lite,
    googlenet,
    inception,
    keras_applications,
    maxvit,
    mnasnet,
    mobilenetv2,
    mobilenetv3,
    regnet,
    resnet,
    shufflenetv2,
    squeezenet,
    swin_transformer,
    vgg,
    vision_transformer,
)
from ft.zoo.card import Card, Pretrained
from ft.zoo.imagenet import imagenet_classes, imagenet_ids

__all__ = ["Card", "Pretrained", "cards", "find_card", "imagenet_classes", "imagenet_ids"]

FAMILIES = (
    resnet,
    efficientnet_lite,
    mobilenetv2,
    mobilenetv3,
    mnasnet,
    shufflenetv2,
    alexnet,
    vgg,
    squeezenet,
    densenet,
    googlenet,
    inception,
    regnet,
    convnext,
    vision_transformer,
    swin_transformer,
    maxvit,
    efficientnet,
    keras_applications,
)
CARDS = {card.name: card for family in FAMILIES for card in family.CARDS}


def cards() -> list[Card]:
    """Return every card, smaller families first, in the order of their files."""
    return list(CARDS.values())


def find_card(name: str) -> Card:
    """Return the card of the network called `name`."""
    if name not in CARDS:
        raise RecipeError(unknown("model", name, CARDS))
    return CARDS[name]
