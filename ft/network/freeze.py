"""Which parameters train, how fast, and which stages run in inference mode: rules become names, epoch by epoch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

from ft.errors import RecipeError, listed, unknown
from ft.recipe import Recipe
from ft.zoo.card import Card, under


@dataclass(frozen=True)
class Freeze:
    """A freezing rule applied to one network.

    trainable: names of the parameters that train, in the network's order; stages: the frozen stages; prefixes: their
    module paths; inference: whether frozen stages run in inference mode (BatchNorm, dropout, stochastic depth) inside a
    training step, or as training stages whose parameters merely stand still (what PyTorch does when only requires_grad
    is cleared); rates: factors of the learning rate by parameter, 1 for one that is not named.
    """

    trainable: tuple[str, ...]
    stages: tuple[str, ...]
    prefixes: tuple[str, ...]
    inference: bool
    rates: Mapping[str, float] = field(default_factory=dict)

    def summary(self) -> str:
        """Return "frozen: stem, layer1", or that nothing is."""
        return f"frozen: {', '.join(self.stages)}" if self.stages else "nothing frozen"

    def is_frozen(self, module: str) -> bool:
        """Tell whether the module at this path is in a frozen stage."""
        return under(module, self.prefixes)

    def runs_in_inference(self, module: str) -> bool:
        """Tell whether the module at this path runs in inference mode inside a training step."""
        return self.inference and self.is_frozen(module)


def plan_at(recipe: Recipe, card: Card, parameters: Collection[str], *, epoch: int = 0) -> Freeze:
    """Return what trains, and how fast, in an epoch of a recipe's training, counted from 0. Raises RecipeError."""
    due = [thaw for thaw in recipe.thaws if thaw.epoch <= epoch]
    thawed = {stage for thaw in due for stage in thaw.stages(card.stages)}
    plan = plan_freeze(card, parameters, freeze=recipe.freeze, bn=recipe.bn, thawed=thawed)
    factors = stage_factors(recipe, card)
    slowed = {stage: thaw.factor for thaw in due for stage in thaw.stages(card.stages) if thaw.factor is not None}
    by_stage = {stage: factor * slowed.get(stage, 1.0) for stage, factor in factors.items()}
    rates = {name: by_stage[card.stage_of(name)] for name in plan.trainable}
    return replace(plan, rates={name: rate for name, rate in rates.items() if rate != 1.0})


def leading_stages(plan: Freeze, card: Card) -> tuple[str, ...]:
    """Return the stages from the input on that neither train nor change: what runs in inference mode in every step.

    With `bn: update` there are none, for statistics move and noise is drawn.
    """
    return tuple(takewhile(lambda stage: plan.inference and stage in plan.stages, card.stages))


def epochs_alike(recipe: Recipe, epoch: int) -> int:
    """Return how many epochs of a recipe, `epoch` among them, train the same stages."""
    turns = sorted({0, recipe.epochs, *(thaw.epoch for thaw in recipe.thaws)})
    return next((end - start for start, end in pairwise(turns) if start <= epoch < end), 0)


def check_plan(recipe: Recipe, card: Card) -> None:
    """Raise RecipeError for rules about stages that the network does not have, or that contradict each other."""
    frozen = set(frozen_stages(card, recipe.freeze))
    stage_factors(recipe, card)
    for thaw in recipe.thaws:
        stages = thaw.stages(card.stages)
        if thaw.epoch >= recipe.epochs:
            raise RecipeError(f"unfreeze: epoch {thaw.epoch} never comes, the training has {recipe.epochs}, from 0 on")
        if not frozen & set(stages) and thaw.factor is None and thaw.epoch:
            raise RecipeError(
                f"unfreeze: {listed(stages)} trains already before epoch {thaw.epoch}; freeze it, "
                f"or give it another rate, such as {thaw.epoch}:{stages[0]}@0.1"
            )
        frozen -= set(stages)


def stage_factors(recipe: Recipe, card: Card) -> dict[str, float]:
    """Return the factor of the learning rate of each stage: layer_decay ** (stages to the head) times its stage_lr."""
    for stage in recipe.stage_factors:
        if stage not in card.stages:
            raise RecipeError(f"stage_lr: {unknown('stage', stage, card.stages)}; expected STAGE:FACTOR")
    decay, last = 1.0 if recipe.layer_decay is None else recipe.layer_decay, len(card.stages) - 1
    return {stage: decay ** (last - i) * recipe.stage_factors.get(stage, 1.0) for i, stage in enumerate(card.stages)}


def plan_freeze(
    card: Card, parameters: Collection[str], *, freeze: Sequence[str], bn: str, thawed: Collection[str] = ()
) -> Freeze:
    """Apply `freeze` ("base", "none" or stage names) and `bn` ("frozen" or "update") to a network's parameters.

    thawed: stages that train whatever `freeze` says.
    """
    stages = tuple(stage for stage in frozen_stages(card, freeze) if stage not in thawed)
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


def keeps_features(recipe: Recipe, plan: Freeze, card: Card) -> bool:
    """Tell whether the base's output for an image is the same in every epoch, so that it is computed only once.

    With `unfreeze` it is not kept at all, not even for the epochs before the base moves.
    """
    return recipe.cache != "off" and why_not_kept(recipe, plan, card) is None


def why_not_kept(recipe: Recipe, plan: Freeze, card: Card) -> str | None:
    """Return why the base's output for an image cannot be kept, None where it can; for the user to read.

    A base that updates its BatchNorm statistics runs in training mode, with its dropout: each step changes its output.
    """
    if recipe.unfreeze:
        return "unfreeze lets the base train"
    if set(plan.stages) != set(card.stages) - {"head"}:
        return "not all of the base is frozen"
    if not plan.inference:
        return "with bn update the base runs in training mode"
    if not (recipe.stands_still or recipe.cache_views):
        return "augmentation changes the images from epoch to epoch (see --cache-views)"
    return None
