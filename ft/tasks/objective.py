"""From the words of a recipe to what a training minimises."""

from ft.backend.objective import Objective
from ft.recipe import Recipe

KINDS = {
    "cross-entropy": "cross-entropy",
    "focal": "focal",
    "bce": "bce",
    "bce-focal": "bce",
    "dice": "dice",
    "cross-entropy-dice": "cross-entropy-dice",
}


def objective_of(
    recipe: Recipe, class_weights: tuple[float, ...] | None = None, *, task: str = "classification"
) -> Objective:
    """Return the objective of a recipe. class_weights: what each class counts, in class order."""
    return Objective(
        task=task,
        kind=KINDS[recipe.loss],
        label_smoothing=recipe.label_smoothing,
        gamma=recipe.focal_gamma if recipe.loss.endswith("focal") else 0.0,
        class_weights=class_weights,
    )
