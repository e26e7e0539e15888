"""What is minimised, and which images count how much in it."""

from dataclasses import dataclass
from typing import Literal

from ft.errors import RecipeError
from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class LossSection:
    """Fields under the heading "loss"."""

    loss: Literal["cross-entropy", "focal", "bce", "bce-focal", "dice", "cross-entropy-dice"] = option(
        "cross-entropy",
        "training loss; bce: each class is a yes or no of its own, as where an image has several labels; dice, "
        "cross-entropy-dice: of masks",
        group="loss",
        decides={"loss"},
    )
    focal_gamma: float = option(
        2.0, "focal, bce-focal: how much less easy images count", group="loss", decides={"loss"}, at_least=1
    )
    class_weights: tuple[float, ...] | Literal["none", "balanced"] = option(
        "none",
        "weight of each class in the loss, in class order; balanced: images / (classes * images of the class)",
        group="loss",
        decides={"loss"},
        above=0,
    )
    sampling: Literal["shuffle", "balanced"] = option(
        "shuffle",
        "shuffle: each image once an epoch; balanced: classes drawn alike, with replacement",
        group="loss",
        decides={"order"},
    )

    def check_loss(self) -> None:
        """Raise RecipeError for two ways of balancing classes at once."""
        if self.sampling == "balanced" and self.class_weights == "balanced":
            raise RecipeError("sampling and class_weights: both balanced counts rare classes twice; choose one of them")
