"""The zoo: a card for every network, found by its name."""

from pathlib import Path

from ft.errors import RecipeError, listed, unknown
from ft.system.names import CONFIG
from ft.zoo import (
    alexnet,
    convnext,
    deeplabv3,
    densenet,
    efficientnet,
    efficientnet_lite,
    fasterrcnn,
    fcn,
    fcos,
    googlenet,
    inception,
    keras_applications,
    keypointrcnn,
    lraspp,
    maskrcnn,
    maxvit,
    mnasnet,
    mobilenetv2,
    mobilenetv3,
    regnet,
    resnet,
    retinanet,
    shufflenetv2,
    squeezenet,
    ssd,
    ssdlite,
    swin_transformer,
    vgg,
    vision_transformer,
)
from ft.zoo.card import Card, Pretrained
from ft.zoo.imagenet import imagenet_classes, imagenet_ids
from ft.zoo.text import CARDS as TEXT
from ft.zoo.text import TextCard, read_config, text_card

__all__ = [
    "Card",
    "Pretrained",
    "TextCard",
    "cards",
    "find_card",
    "find_text_card",
    "imagenet_classes",
    "imagenet_ids",
    "text_cards",
]

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
    fasterrcnn,
    retinanet,
    fcos,
    ssd,
    ssdlite,
    maskrcnn,
    keypointrcnn,
)
CARDS = {card.name: card for family in FAMILIES for card in family.CARDS}


TEXT_CARDS = {card.name: card for card in TEXT}


def cards(task: str | None = "classification") -> list[Card]:
    """Return the cards of the networks that take images, those for a task or, for None, all, families in file order."""
    return [card for card in CARDS.values() if task in (None, card.task)]


def text_cards() -> list[TextCard]:
    """Return the card of every named network that takes text, the smallest first."""
    return list(TEXT_CARDS.values())


def find_card(name: str, home: Path | None = None) -> Card:
    """Return the card of the network called `name`, or of the text network in the folder of that path.

    home: the folder of a run that was trained on it; what that keeps of the network counts, wherever the other is now.
    """
    if name in CARDS:
        return CARDS[name]
    if name in TEXT_CARDS:
        return TEXT_CARDS[name]
    folder = Path(name).expanduser()
    kept = home if home and (home / CONFIG).is_file() else folder
    if kept.is_dir():
        return text_card(folder.resolve().name, read_config(kept / CONFIG), folder=kept)
    raise RecipeError(unknown("model", name, [*CARDS, *TEXT_CARDS]))


def find_text_card(name: str) -> TextCard:
    """Return the card of a network that takes text, see `find_card`."""
    card = find_card(name)
    if not isinstance(card, TextCard):
        raise RecipeError(f"model '{name}' takes images; for text take {listed(TEXT_CARDS)}, or a folder")
    return card
