"""What stays frozen."""

from dataclasses import dataclass
from typing import Literal

from ft.errors import RecipeError, listed
from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class FreezeSection:
    """Fields under the heading "freeze"."""

    freeze: tuple[str, ...] = option(
        ("base",), "base (all but the head), none, or stages: stem,layer1", group="freeze", decides={"tensors"}
    )
    bn: Literal["frozen", "update"] = option(
        "frozen",
        "BatchNorm in frozen stages: keep its statistics, or update them",
        group="freeze",
        decides={"statistics"},
    )

    def check_freeze(self) -> None:
        """Raise RecipeError for "base" or "none" beside stages."""
        if len(self.freeze) > 1 and {"base", "none"} & set(self.freeze):
            raise RecipeError(f"freeze: got {listed(self.freeze)}; 'base' and 'none' stand alone, stages go in a list")
