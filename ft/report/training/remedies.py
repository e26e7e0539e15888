"""What a recipe does not use yet and may try: nothing is suggested that is in use."""

from collections.abc import Iterator, Mapping
from typing import Any

from ft.recipe import FIELDS, deciding

Recipe = Mapping[str, Any]


def against_overfitting(recipe: Recipe, unit: str) -> Iterator[str]:
    """Name what keeps a network from learning samples by heart."""
    if unit == "image":
        yield from more_views(recipe)
    if not uses(recipe, "penalty"):
        yield "--l2 0.001" if recipe["freeze"] == ["base"] or recipe["weights"] == "none" else "--l2sp 0.01"
    if not recipe["label_smoothing"]:
        yield "--label-smoothing 0.1"
    if recipe["freeze"] == ["none"]:
        yield "freezing the first stages"
    yield f"more training {unit}s"


def more_views(recipe: Recipe) -> Iterator[str]:
    """Name what shows an image in other ways."""
    if recipe["augment"] != "crop-flip":
        yield "--augment crop-flip"
    elif not recipe["randaugment"]:
        yield "--randaugment 2x9"
    if not recipe["mixup"] and not recipe["cutmix"]:
        yield "--mixup 0.2"


def against_underfitting(recipe: Recipe, unit: str) -> Iterator[str]:
    """Name what holds the recipe back."""
    if recipe["freeze"] != ["none"]:
        yield "--freeze none with a lower --lr, or fewer frozen stages"
    if uses(recipe, "pixels", "penalty"):
        yield "less augmentation and regularisation"
    size = "--image-size" if unit == "image" else "--max-length"
    yield from ("more --epochs", "another --lr", f"a larger {size} or --model")


def against_large_steps(recipe: Recipe, factor: float) -> Iterator[str]:
    """Name what makes steps smaller; factor: of the rate."""
    yield f"--lr {factor * recipe['lr']:.2g}"
    if not recipe["warmup_epochs"] and recipe["schedule"] != "one-cycle" and recipe["epochs"] > 1:
        yield "--warmup-epochs 1"
    if not recipe["clip_norm"]:
        yield "--clip-norm 1"


def against_imbalance(recipe: Recipe, unit: str) -> Iterator[str]:
    """Name what makes rare classes count."""
    if recipe["sampling"] != "balanced" and recipe["class_weights"] == "none":
        yield "--class-weights balanced"
        yield "or --sampling balanced"
    yield f"more {unit}s of the rare classes"


def against_overconfidence(recipe: Recipe, unit: str) -> Iterator[str]:
    """Name what makes probabilities smaller."""
    yield from ("label smoothing",) * (not recipe["label_smoothing"] and unit != "detection")
    yield from ("mixup",) * (unit == "image" and not recipe["mixup"] and not recipe["cutmix"])
    yield from ("fewer epochs", "or one temperature above 1 that all logits are divided by")


def against_modesty(recipe: Recipe) -> Iterator[str]:
    """Name what makes probabilities larger."""
    yield from ("less label smoothing",) * bool(recipe["label_smoothing"])
    yield from ("less mixup",) * bool(recipe["mixup"])
    yield from ("less cutmix",) * bool(recipe["cutmix"])
    yield from ("more epochs", "or one temperature below 1 that all logits are divided by")


def uses(recipe: Recipe, *decided: str) -> bool:
    """Tell whether a field that decides any of these is in use."""
    return any(recipe.get(name) not in (None, 0, FIELDS[name].default) for name in deciding(*decided))
