"""The zoo: a card for every network, found by its name."""

from ft.errors import RecipeError, unknown
from ft.zoo import (
    alexnet,
    convnext,
    deeplabv3,
    densenet,
    efficientnet,
    efficientnet_lite,
    fcn,
    googlenet,
    inception,
    keras_applications,
    lraspp,
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
    fcn,
    deeplabv3,
    lraspp,
)
CARDS = {card.name: card for family in FAMILIES for card in family.CARDS}


def cards(task: str | None = "classification") -> list[Card]:
    """Return the cards of the networks for a task, or of all for None, families in the order of their files."""
    return [card for card in CARDS.values() if task in (None, card.task)]


def find_card(name: str) -> Card:
    """Return the card of the network called `name`."""
    if name not in CARDS:
        raise RecipeError(unknown("model", name, CARDS))
    return CARDS[name]
