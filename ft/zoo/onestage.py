"""Detectors of one stage, which say of every anchor what it holds: their numbers, their parts, their cards."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ft.recipe import checked
from ft.zoo.card import Card
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.detector import OneStage
from ft.zoo.pyramid import PYRAMIDS, Pyramid

HEAD = "head.classification_head"
NO_CLASS = "N/A"  # COCO's numbers begin at 1, and a network without background has an output for 0, too
USUAL = {"lr": 0.005, "batch_size": 4, "schedule": "cosine", "warmup_epochs": 3, "epochs": 8}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A network's parts. size: of its pictures; channels: of the pyramid's maps and of the head.

    first: the first of the body's maps that the pyramid takes. top: the two maps beyond them are made of the body's
    last map, and not of the pyramid's. frozen: the body's BatchNorms are frozen ones, whose numbers never move; groups:
    of the GroupNorms in the head, None where it has none.
    """

    body: str
    size: int
    parameters: int
    detector: OneStage
    channels: int = 256
    first: int = 0
    top: bool = False
    frozen: bool = True
    groups: int | None = None

    @property
    def pyramid(self) -> Pyramid:
        """What its maps are made of."""
        whole = PYRAMIDS[self.body]
        return dataclasses.replace(whole, maps=whole.maps[self.first :])


def usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that it is usually trained with; the warm-up ends before a short training does."""
    epochs = checked("epochs", fields.get("epochs", USUAL["epochs"]))
    warmup = 0 if fields.get("schedule") == "one-cycle" else min(USUAL["warmup_epochs"], epochs - 1)
    return {**USUAL, "warmup_epochs": warmup}


def card(family: str, name: str, shape: Shape, *, renames: Callable[[str], str]) -> Card:
    """Return the card of a network with a pyramid and without background."""
    whole = [dataclasses.replace(own, classes=(NO_CLASS, *own.classes)) for own in coco_weights(name, shape.size)]
    return Card(
        name=name,
        family=family,
        parameters=shape.parameters,
        stages={**shape.pyramid.stages, "fpn": ("backbone.fpn",), "head": ("head",)},
        behind=("fpn", "head"),
        last=f"{HEAD}.cls_logits",
        task="detection",
        taps=shape.pyramid.taps,
        detector=shape.detector,
        backbone=partial(shape.pyramid.place, frozen=shape.frozen),
        pretrained=(*shape.pyramid.weights(shape.size), *whole),
        renames=renames,
        classes=91,
        usual=usual,
        tail=(),
        pool=None,
    )


def parameters_of(name: str) -> int:
    """Return how many parameters a published network has."""
    return FILES[name][2]
