"""The zoo: a card for every network, found by its name."""

from ft.errors import RecipeError, unknown
from ft.zoo import efficientnet_lite, resnet
from ft.zoo.card import Card, Pretrained
from ft.zoo.imagenet import imagenet_classes, imagenet_ids

__all__ = ["Card", "Pretrained", "cards", "find_card", "imagenet_classes", "imagenet_ids"]

FAMILIES = (
    resnet,
    efficientnet_lite,
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
