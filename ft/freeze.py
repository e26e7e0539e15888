"""Which parameters train and which stages run in inference mode: a rule becomes names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ft.errors import RecipeError, listed, unknown
from ft.zoo.card import Card, under


@dataclass(frozen=True)
class Freeze:
    """A freezing rule applied to one network.

    trainable: names of the parameters that train, in the network's order; stages: the frozen stages; prefixes: their
    module paths; inference: whether frozen stages run in inference mode (BatchNorm, dropout, stochastic depth) inside a
    training step, or as training stages whose parameters merely stand still (what PyTorch does when only requires_grad
    is cleared).
    """

    trainable: tuple[str, ...]
    stages: tuple[str, ...]
    prefixes: tuple[str, ...]
    inference: bool

    def is_frozen(self, module: str) -> bool:
        """Tell whether the module at this path is in a frozen stage."""
        return under(module, self.prefixes)

    def runs_in_inference(self, module: str) -> bool:
        """Tell whether the module at this path runs in inference mode inside a training step."""
        return self.inference and self.is_frozen(module)


def plan_freeze(card: Card, parameters: Collection[str], *, freeze: Sequence[str], bn: str) -> Freeze:
    """Apply `freeze` ("base", "none" or stage names) and `bn` ("frozen" or "update") to a network's parameters."""
    stages = frozen_stages(card, freeze)
    stage = {name: card.stage_of(name) for name in parameters}
    trainable = tuple(name for name in parameters if stage[name] not in stages)
    prefixes = tuple(prefix for name in stages for prefix in card.stages[name])
    return Freeze(trainable, stages, prefixes, inference=bn == "frozen")


def frozen_stages(card: Card, freeze: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that a rule freezes, in the network's order. RecipeError: no such stage, or nothing is left."""
    if tuple(freeze) == ("none",):
        return ()
    if tuple(freeze) == ("base",):
        return tuple(name for name in card.stages if name != "head")
    for name in freeze:
        if name not in card.stages:
            raise RecipeError(f"freeze: {unknown('stage', name, card.stages)} (or say base or none)")
    if set(freeze) == set(card.stages):
        raise RecipeError(
            f"freeze: {listed(freeze)} freezes all of {card.name}; leave one of its stages out ({listed(card.stages)})"
        )
    return tuple(name for name in card.stages if name in freeze)
