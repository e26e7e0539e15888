"""Which parameters train, how fast, and which stages run in inference mode: rules become names, epoch by epoch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile

from ft.errors import RecipeError, listed, unknown
from ft.recipe import Recipe
from ft.zoo import TextCard
from ft.zoo.card import Card, under


@dataclass(frozen=True)
class Rule:
    """What becomes of all that lies below some module paths; a stage is one rule.

    trains: whether parameters do; inference: whether modules run in inference mode (BatchNorm, dropout, stochastic
    depth) inside a training step, or in training mode while parameters merely stand still (what PyTorch does when only
    requires_grad is cleared); rate: a factor of the learning rate.
    """

    stage: str
    paths: tuple[str, ...]
    trains: bool = True
    inference: bool = False
    rate: float = 1.0

    @property
    def is_still(self) -> bool:
        """Whether nothing below its paths trains, moves or draws."""
        return self.inference and not self.trains


@dataclass(frozen=True)
class Freeze:
    """Rules applied to one network: for each parameter and module the first one that it lies below.

    parameters: the network's, in its order.
    """

    rules: tuple[Rule, ...]
    parameters: tuple[str, ...]

    def __post_init__(self) -> None:
        lost = [f"'{name}'" for name in self.parameters if self.rule_of(name) is None]
        if lost:
            stages = listed([rule.stage for rule in self.rules])
            raise RecipeError(f"freeze: {listed(lost)} in none of the stages; put each below a path of one ({stages})")

    def rule_of(self, path: str) -> Rule | None:
        """Return the rule for a parameter or module, None for a module that is not below any."""
        return next((rule for rule in self.rules if under(path, rule.paths)), None)

    @cached_property
    def trainable(self) -> tuple[str, ...]:
        """The parameters that train."""
        return tuple(name for name in self.parameters if not self.is_frozen(name))

    @cached_property
    def rates(self) -> dict[str, float]:
        """The factors of the learning rate by parameter, 1 for one that is not named."""
        rules = {name: self.rule_of(name) for name in self.trainable}
        return {name: rule.rate for name, rule in rules.items() if rule and rule.rate != 1.0}

    @property
    def stages(self) -> tuple[str, ...]:
        """The frozen stages."""
        return tuple(rule.stage for rule in self.rules if not rule.trains)

    def summary(self) -> str:
        """Return "frozen: stem, layer1", or that nothing is."""
        return f"frozen: {', '.join(self.stages)}" if self.stages else "nothing frozen"

    def is_frozen(self, path: str) -> bool:
        """Tell whether the parameters at or below this path stand still."""
        rule = self.rule_of(path)
        return rule is not None and not rule.trains

    def is_still(self, module: str) -> bool:
        """Tell whether nothing at or below this module's path trains, moves or draws in a training step."""
        if module not in self.settled:
            rule = self.rule_of(module)
            exceptions = [
                path
                for other in takewhile(lambda other: other is not rule, self.rules)
                if not other.is_still
                for path in other.paths
            ]
            still = rule is not None and rule.is_still
            self.settled[module] = still and not any(under(path, (module,)) for path in exceptions)
        return self.settled[module]

    @cached_property
    def settled(self) -> dict[str, bool]:
        """What `is_still` has said, for a step asks it of every module."""
        return {}


def plan_at(recipe: Recipe, card: Card, parameters: Collection[str], *, epoch: int = 0) -> Freeze:
    """Return what trains, and how fast, in an epoch of a recipe's training, counted from 0. Raises RecipeError."""
    due = [thaw for thaw in recipe.thaws if thaw.epoch <= epoch]
    thawed = {stage for thaw in due for stage in thaw.stages(card.stages)}
    slowed = {stage: thaw.factor for thaw in due for stage in thaw.stages(card.stages) if thaw.factor is not None}
    rates = {stage: rate * slowed.get(stage, 1.0) for stage, rate in stage_factors(recipe, card).items()}
    return plan_freeze(card, parameters, freeze=recipe.freeze, bn=recipe.bn, thawed=thawed, rates=rates)


def leading_stages(plan: Freeze, card: Card) -> tuple[str, ...]:
    """Return the stages from the input on that neither train nor change: what runs in inference mode in every step.

    With `bn: update` there are none, for statistics move and noise is drawn.
    """
    return tuple(takewhile(lambda stage: all(map(plan.is_still, card.stages[stage])), card.stages))


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
            raise RecipeError(f"unfreeze: epoch {thaw.epoch + 1} never comes, the training has {recipe.epochs}")
        if not frozen & set(stages) and thaw.factor is None and thaw.epoch:
            raise RecipeError(
                f"unfreeze: {listed(stages)} trains already before epoch {thaw.epoch + 1}; freeze it, "
                f"or give it another rate, such as {thaw.epoch + 1}:{stages[0]}@0.1"
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
    card: Card,
    parameters: Collection[str],
    *,
    freeze: Sequence[str],
    bn: str,
    thawed: Collection[str] = (),
    rates: Mapping[str, float] | None = None,
) -> Freeze:
    """Apply `freeze` ("base", "none" or stage names) and `bn` ("frozen" or "update") to a network's parameters.

    thawed: stages that train whatever `freeze` says; rates: factors of the learning rate by stage.
    """
    frozen = {stage for stage in frozen_stages(card, freeze) if stage not in thawed}
    rules = [
        Rule(stage, paths, trains=False, inference=bn == "frozen")
        if stage in frozen
        else Rule(stage, paths, rate=(rates or {}).get(stage, 1.0))
        for stage, paths in card.stages.items()
    ]
    return Freeze(tuple(rules), tuple(parameters))


def frozen_stages(card: Card, freeze: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that a rule freezes, in the network's order. RecipeError: no such stage, or nothing is left."""
    if tuple(freeze) == ("none",):
        return ()
    if tuple(freeze) == ("base",):
        return card.base
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
    if isinstance(card, TextCard) and card.answer != "sequence":
        return "it would be vectors of every token, of as many as each text has"
    if recipe.unfreeze:
        return "unfreeze lets the base train"
    if recipe.max_size:
        return "what the base makes of a picture hangs on how far its batch is padded"
    if set(plan.stages) != set(card.base):
        return "not all of the base is frozen"
    if not all(map(plan.is_still, (path for stage in plan.stages for path in card.stages[stage]))):
        return "with bn update the base runs in training mode"
    if not (recipe.stands_still or recipe.cache_views):
        return "augmentation changes the images from epoch to epoch (see --cache-views)"
    return None
