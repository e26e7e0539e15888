"""The optimizers: a record for each, with the numbers that it takes, and the fields that set them.

A recipe's numbers count where it gives them, else torch.optim's. SGD's and LARS's momentum is this project's 0.9, the
field's usual one, where torch.optim.SGD has 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ft.errors import RecipeError, listed
from ft.recipe.fields import option, that_decide


@dataclass(frozen=True)
class Rule:
    """What there is to know of an optimizer beside its formula, which stands in each wing's optim.py.

    numbers: those that it takes, with their defaults; slots: what it keeps of a parameter, in order, each with the
    number without which it does not (None: always); decoupled: whether weight decay stands beside the gradient;
    starts: the number that a slot starts from, 0 for one that is not named.
    """

    numbers: Mapping[str, Any]
    slots: Mapping[str, str | None]
    decoupled: bool = False
    starts: Mapping[str, str] = field(default_factory=dict)

    def slots_with(self, **numbers: Any) -> tuple[str, ...]:
        """Return the names of the slots that there are with these numbers."""
        return tuple(slot for slot, needs in self.slots.items() if needs is None or numbers[needs])


ADAM: dict[str, str | None] = {"step": None, "exp_avg": None, "exp_avg_sq": None}
RULES = {
    "sgd": Rule(
        {"momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
        {"momentum_buffer": "momentum", "step": "dampening"},
    ),
    "adam": Rule({"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}, ADAM),
    "adamw": Rule({"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}, ADAM, decoupled=True),
    "rmsprop": Rule(
        {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False, "weight_decay": 0.0},
        {"square_avg": None, "grad_avg": "centered", "momentum_buffer": "momentum"},
    ),
    "adagrad": Rule(
        {"lr_decay": 0.0, "initial_accumulator": 0.0, "eps": 1e-10, "weight_decay": 0.0},
        {"step": None, "sum": None},
        starts={"sum": "initial_accumulator"},
    ),
    "lars": Rule({"momentum": 0.9, "trust": 0.001, "eps": 1e-8, "weight_decay": 0.0}, {"momentum_buffer": "momentum"}),
}


@dataclass(frozen=True, kw_only=True)
class OptimizerSection:
    """Fields under the heading "optimizer"."""

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "lars"] = option(
        "sgd", "update rule, see docs/recipe.md", group="optimizer", decides={"tensors", "update"}
    )
    momentum: float | None = option(
        None,
        "momentum (default: sgd and lars 0.9, rmsprop 0)",
        group="optimizer",
        decides={"rule", "slots"},
        at_least=0,
        below=1,
    )
    nesterov: bool = option(False, "sgd: Nesterov's form of momentum", group="optimizer", decides={"rule"})
    dampening: float | None = option(
        None,
        "sgd: share of the gradient kept out of the momentum (default: 0)",
        group="optimizer",
        decides={"rule", "slots"},
        at_least=0,
        below=1,
    )
    weight_decay: float | None = option(
        None,
        "L2 term in every gradient, adamw: beside it (default: 0, adamw 0.01)",
        group="optimizer",
        decides={"rule", "penalty"},
        at_least=0,
    )
    decay_exempt: Literal["none", "norms-and-biases"] = option(
        "none",
        "what weight decay leaves alone: norms-and-biases are tensors of one dimension",
        group="optimizer",
        decides={"update"},
    )
    betas: tuple[float, float] | None = option(
        None,
        "adam, adamw: decay of the two averages (default: 0.9,0.999)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
        below=1,
    )
    eps: float | None = option(
        None, "added to the denominator (default: 1e-8, adagrad 1e-10)", group="optimizer", decides={"rule"}, at_least=0
    )
    alpha: float | None = option(
        None,
        "rmsprop: decay of the average of squares (default: 0.99)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
        below=1,
    )
    centered: bool = option(
        False, "rmsprop: divide by the deviation from the mean gradient", group="optimizer", decides={"rule", "slots"}
    )
    lr_decay: float | None = option(
        None, "adagrad: lr / (1 + updates * lr_decay) (default: 0)", group="optimizer", decides={"rule"}, at_least=0
    )
    initial_accumulator: float | None = option(
        None,
        "adagrad: what the sum of squares starts from (default: 0)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
    )
    trust: float | None = option(
        None, "lars: trust coefficient (default: 0.001)", group="optimizer", decides={"rule"}, above=0
    )
    accumulate: int = option(
        1,
        "batches whose gradients make one update; an update counts as one step",
        group="optimizer",
        decides={"order"},
        at_least=1,
    )
    clip_norm: float | None = option(
        None, "largest norm of all gradients together", group="optimizer", decides={"update"}, above=0
    )
    clip_value: float | None = option(
        None, "largest magnitude of a gradient's element", group="optimizer", decides={"update"}, above=0
    )

    def check_optimizer(self) -> None:
        """Raise RecipeError for numbers that the optimizer does not have, and for those that contradict each other."""
        for name in NUMBERS:
            if name not in RULES[self.optimizer].numbers and getattr(self, name) not in (None, False):
                takers = [optimizer for optimizer, rule in RULES.items() if name in rule.numbers]
                raise RecipeError(
                    f"{name}: optimizer {self.optimizer} has none; leave it out, or take optimizer {listed(takers)}"
                )
        settings = settings_of(self)
        if self.nesterov and settings["momentum"] == 0:
            raise RecipeError("nesterov: needs a momentum above 0; set momentum to 0.9 or leave nesterov out")
        if self.nesterov and settings["dampening"]:
            raise RecipeError(f"nesterov: has no dampening, got {self.dampening:g}; leave one of them out")
        if settings.get("dampening") and settings["momentum"] == 0:
            raise RecipeError(
                "dampening: dampens what enters the momentum buffer, and momentum is 0; leave one of them out"
            )
        if self.clip_norm is not None and self.clip_value is not None:
            raise RecipeError("clip_norm and clip_value contradict each other: clip by one of them")


NUMBERS = that_decide(OptimizerSection.__dataclass_fields__, "rule")


def settings_of(recipe: OptimizerSection) -> dict[str, Any]:
    """Return the numbers of a recipe's optimizer by name, none of them None."""
    given = ((name, getattr(recipe, name), default) for name, default in RULES[recipe.optimizer].numbers.items())
    return {name: default if value is None else value for name, value, default in given}


def divides_by_zero(recipe: OptimizerSection) -> bool:
    """Tell whether the optimizer's update is 0 / 0 where a gradient is 0: eps is, and so may be what it is added to."""
    settings = settings_of(recipe)
    return recipe.optimizer != "lars" and settings.get("eps") == 0 and not settings.get("initial_accumulator")
