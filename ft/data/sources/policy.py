"""What to do about data that is not as it should be: the fields of the recipe that say it."""

from dataclasses import dataclass
from typing import Literal

from ft.data.images.decode import MAX_PIXELS
from ft.recipe import Recipe, deciding


@dataclass(frozen=True)
class Policy:
    """How a data set is opened: the recipe's fields of these names, and how images are tried out before they train.

    short_side: pixels that they will be resized to, None where that is not known; quiet: without a progress bar.
    """

    on_bad_image: Literal["error", "skip"] = "error"
    max_bad_fraction: float = 0.01
    max_pixels: int = MAX_PIXELS
    fail_on_leak: bool = False
    fail_on_empty_class: bool = False
    allow_outside_root: bool = False
    workers: int = 2
    short_side: int | None = None
    quiet: bool = True

    @classmethod
    def of(cls, recipe: Recipe, *, short_side: int | None, quiet: bool = True) -> "Policy":
        """Return the policy of a recipe."""
        return cls(**{name: getattr(recipe, name) for name in deciding("opening")}, short_side=short_side, quiet=quiet)


DEFAULT = Policy()
