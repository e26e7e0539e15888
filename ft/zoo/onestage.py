"""Detectors of one stage, which say of every anchor what it holds: their numbers, their parts, their cards."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ft.zoo.card import Card
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.detector import OneStage
from ft.zoo.fasterrcnn import usual as of_two_stages
from ft.zoo.pyramid import PYRAMIDS, Pyramid

HEAD = "head.classification_head"
NO_CLASS = "N/A"  # COCO's numbers begin at 1, and a network without background has an output for 0, too
LR = 0.0025  # torchvision's 0.01 for 16 pictures


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
    """Return the fields that it is usually trained with: those of two stages, with a rate of its own."""
    return {**of_two_stages(fields), "lr": LR}


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
