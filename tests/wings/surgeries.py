"""Networks after surgery, for the tests of each wing."""

from types import ModuleType
from typing import Any

from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.weights import initial_weights
from ft.zoo import Card, find_card

CLASSES, SIZE = 10, 64
ALL_KINDS = {
    "cut": "layer4",
    "pool": "gem",
    "head": "8-batchnorm-relu-dropout0.2",
    "in_channels": 1,
    "change": "layer3.1.conv1:kernel=5,layer3.1.conv2:dilation=2",
}


def altered(wing: ModuleType, model: str, **fields: Any) -> tuple[Any, Card]:
    """Return a network after surgery, in float64, and its card."""
    card = find_card(model)
    surgery = plan_surgery(card, Recipe(model=model, **fields))
    built = wing.build_model(model, num_classes=CLASSES, dtype="float64")
    surgery.require_fits(wing.weight_shapes(built))
    network = wing.alter(built, surgery, image_size=SIZE)
    wing.set_weights(network, initial_weights(wing.weight_shapes(network), seed=0))
    return network, surgery.card
