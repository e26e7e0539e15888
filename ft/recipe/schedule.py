"""The learning rate over time and by stage, and what thaws when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ft.errors import RecipeError, unknown
from ft.recipe.fields import option, positive


@dataclass(frozen=True)
class Thaw:
    """An entry of `unfreeze`: from `epoch` on a stage trains, or "all", at `factor` times the rate.

    Entries count epochs from 1, as people do; `epoch` counts from 0, as all that computes does.
    """

    epoch: int
    stage: str
    factor: float | None = None

    def stages(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the stages that it means of those that a network has. RecipeError where it has no such stage."""
        if self.stage not in (*known, "all"):
            raise RecipeError(f"unfreeze: {unknown('stage', self.stage, known)} (or say all)")
        return tuple(known) if self.stage == "all" else (self.stage,)


@dataclass(frozen=True, kw_only=True)
class ScheduleSection:
    """Fields under the heading "learning rate"."""

    schedule: Literal["constant", "step", "exponential", "cosine", "one-cycle", "linear", "poly", "plateau"] = option(
        "constant", "learning rate over time", group="learning rate", decides={"rate"}
    )
    step_epochs: int = option(
        10, "schedule step: epochs between two drops", group="learning rate", decides={"rate"}, at_least=1
    )
    step_factor: float = option(
        0.1, "schedules step and plateau: factor of a drop", group="learning rate", decides={"rate"}, above=0
    )
    epoch_factor: float = option(
        0.95, "schedule exponential: factor of an epoch", group="learning rate", decides={"rate"}, above=0
    )
    end_factor: float = option(
        0.0, "schedule linear: share of lr at the end", group="learning rate", decides={"rate"}, at_least=0
    )
    poly_power: float = option(
        0.9, "schedule poly: exponent of what is left of the training", group="learning rate", decides={"rate"}, above=0
    )
    rise: float = option(
        0.3,
        "schedule one-cycle: share of the training in which the rate rises",
        group="learning rate",
        decides={"rate"},
        above=0,
        below=1,
    )
    plateau_patience: int = option(
        10,
        "schedule plateau: epochs without a better val loss before a drop",
        group="learning rate",
        decides={"rate"},
        at_least=0,
    )
    warmup_epochs: float = option(
        0.0, "epochs of linear warm-up from zero", group="learning rate", decides={"rate"}, at_least=0
    )
    stage_lr: tuple[str, ...] = option(
        (), "factors of lr by stage: stem:0.1,layer1:0.3 (other stages: 1)", group="learning rate", decides={"rate"}
    )
    layer_decay: float | None = option(
        None,
        "factor of lr from stage to stage, from the head down: 0.75",
        group="learning rate",
        decides={"rate"},
        above=0,
        at_most=1,
    )
    unfreeze: tuple[str, ...] = option(
        (),
        "frozen stages that train from an epoch (1 the first) on: 4:layer4,7:layer3, with a factor of lr: 6:all@0.1",
        group="learning rate",
        decides={"tensors", "rate"},
        flags=("--schedule-unfreeze",),
    )

    def check_schedule(self) -> None:
        """Raise RecipeError for a plateau that raises the rate and for two warm-ups."""
        if self.schedule == "plateau" and self.step_factor >= 1:
            raise RecipeError(f"step_factor: got {self.step_factor:g}; schedule plateau needs a factor below 1")
        if self.schedule == "one-cycle" and self.warmup_epochs:
            raise RecipeError("warmup_epochs: schedule one-cycle rises by itself; leave warmup_epochs out, or set rise")

    @cached_property
    def stage_factors(self) -> dict[str, float]:
        """The factors of `stage_lr` by stage."""
        factors: dict[str, float] = {}
        for entry in self.stage_lr:
            stage, _, factor = entry.partition(":")
            if stage in factors:
                raise RecipeError(f"stage_lr: '{stage}' is there twice; keep one of the two")
            factors[stage] = positive("stage_lr", entry, factor)
        return factors

    @cached_property
    def thaws(self) -> tuple[Thaw, ...]:
        """The entries of `unfreeze` in order of their epochs."""
        return tuple(sorted(map(parse_thaw, self.unfreeze), key=lambda thaw: thaw.epoch))


def parse_thaw(entry: str) -> Thaw:
    """Return EPOCH:STAGE or EPOCH:STAGE@FACTOR, an entry of `unfreeze`."""
    number, rest = split_thaw(entry)
    if number < 1:
        raise RecipeError(f"unfreeze: got '{entry}'; epochs count from 1, the first is 1:{rest}")
    stage, at, factor = rest.partition("@")
    return Thaw(number - 1, stage, positive("unfreeze", entry, factor) if at else None)


def split_thaw(entry: str) -> tuple[int, str]:
    """Return the epoch of an entry of `unfreeze`, as it is written, and what follows the colon."""
    number, colon, rest = entry.partition(":")
    if not colon or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise RecipeError(f"unfreeze: got '{entry}'; expected EPOCH:STAGE, such as 4:layer4, or 4:layer4@0.1")
    return int(number), rest


def counted_from_1(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of an `unfreeze` that counts epochs from 0, as recipes of version 1 do, as they are now."""
    return tuple(f"{number + 1}:{rest}" for number, rest in map(split_thaw, entries))
