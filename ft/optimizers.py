"""The numbers that each optimizer takes: a recipe's where it gives them, else torch.optim's.

SGD's and LARS's momentum is this project's 0.9, the field's usual one, where torch.optim.SGD has 0.
"""

from typing import TYPE_CHECKING, Any

from ft.errors import RecipeError, listed

if TYPE_CHECKING:
    from ft.recipe import Recipe

DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
    "adam": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False, "weight_decay": 0.0},
    "adagrad": {"lr_decay": 0.0, "initial_accumulator": 0.0, "eps": 1e-10, "weight_decay": 0.0},
    "lars": {"momentum": 0.9, "trust": 0.001, "eps": 1e-8, "weight_decay": 0.0},
}
NUMBERS = tuple(dict.fromkeys(name for numbers in DEFAULTS.values() for name in numbers))


def settings_of(recipe: "Recipe") -> dict[str, Any]:
    """Return the numbers of a recipe's optimizer by name, none of them None."""
    given = {name: getattr(recipe, name) for name in DEFAULTS[recipe.optimizer]}
    return {name: DEFAULTS[recipe.optimizer][name] if value is None else value for name, value in given.items()}


def divides_by_zero(recipe: "Recipe") -> bool:
    """Tell whether the optimizer's update is 0 / 0 where a gradient is 0: eps is, and so may be what it is added to."""
    settings = settings_of(recipe)
    return recipe.optimizer != "lars" and settings.get("eps") == 0 and not settings.get("initial_accumulator")


def check_optimizer(recipe: "Recipe") -> None:
    """Raise RecipeError for a number that the optimizer does not have, and for numbers that contradict each other."""
    for name in NUMBERS:
        if name not in DEFAULTS[recipe.optimizer] and getattr(recipe, name) not in (None, False):
            takers = [optimizer for optimizer, numbers in DEFAULTS.items() if name in numbers]
            raise RecipeError(
                f"{name}: optimizer {recipe.optimizer} has none; leave it out, or take optimizer {listed(takers)}"
            )
    settings = settings_of(recipe)
    if recipe.nesterov and settings["momentum"] == 0:
        raise RecipeError("nesterov: needs a momentum above 0; set momentum to 0.9 or leave nesterov out")
    if recipe.nesterov and settings["dampening"]:
        raise RecipeError(f"nesterov: has no dampening, got {recipe.dampening:g}; leave one of them out")
    if settings.get("dampening") and settings["momentum"] == 0:
        raise RecipeError(
            "dampening: dampens what enters the momentum buffer, and momentum is 0; leave one of them out"
        )
    if recipe.clip_norm is not None and recipe.clip_value is not None:
        raise RecipeError("clip_norm and clip_value contradict each other: clip by one of them")
