"""Fields of a recipe that have no meaning for a task."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ft.errors import RecipeError

if TYPE_CHECKING:
    from ft.recipe import Recipe


def refuse(recipe: "Recipe", task: str, fields: Mapping[str, str]) -> None:
    """Raise RecipeError where a recipe sets one of these fields. fields: name -> why it is none for the task."""
    from ft.recipe import FIELDS  # not at the top: it reads YAML

    for name, why in fields.items():
        if getattr(recipe, name) != FIELDS[name].default:
            raise RecipeError(f"{name}: not for {task}: {why}; leave it out")
