"""How a job of images comes about: its data, what becomes of pixels, and the tensors to start from."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.data import Batches, Dataset, Policy, Preprocess, Sample
from ft.data.sources.box import Marks
from ft.data.sources.boxes import read_boxes
from ft.data.sources.dataset import Source, read_dataset
from ft.data.sources.masks import holds_masks, read_masks
from ft.data.sources.texts import holds_texts
from ft.errors import DataError, RecipeError, printable
from ft.metrics.multilabel import Labels
from ft.recipe import Recipe
from ft.tasks.task import Task
from ft.weights import initial_weights
from ft.weights.pretrained import preprocess_of, pretrained_weights
from ft.zoo import Card
from ft.zoo.detector import DefaultBoxes

WITH_BOXES: dict[str, Marks] = {"boxes": "", "instances": "masks", "keypoints": "keypoints"}  # and what they have more


def adapted(card: Card, recipe: Recipe) -> Card:
    """Return the card as a recipe takes it, before its surgery; RecipeError for a task that images have not."""
    if recipe.task:
        raise RecipeError(f"task: {card.name} takes images, of which {recipe.task} says nothing; leave it out")
    return card


def answering(card: Card, recipe: Recipe, task: Task) -> Card:
    """Return the card with the head that a task puts on it: a network for images has it already."""
    return card


def policy_of(recipe: Recipe, card: Card, *, quiet: bool) -> Policy:
    """Return what a recipe says of samples that cannot be used."""
    preprocess = preprocess_of(card, recipe.weights)
    return Policy.of(recipe, short_side=preprocess.at(recipe.image_size or preprocess.crop).resize, quiet=quiet)


def read_data(recipe: Recipe, spec: str, *, classes: tuple[str, ...] | None, policy: Policy, labels: Labels) -> Source:
    """Read data with labels of a kind, to be split as a recipe says or evaluated. classes: of a trained model."""
    options: dict[str, Any] = {"val_fraction": recipe.val_fraction, "seed": recipe.seed, "policy": policy}
    if labels == "masks":
        learn, ignored = classes is None, recipe.ignore_index
        return read_masks(spec, **options, classes=classes, ignore_index=ignored, learn=learn)
    if labels in WITH_BOXES:
        return read_boxes(spec, **options, classes=classes, marks=WITH_BOXES[labels])
    require_classes(spec, recipe.model)
    return read_dataset(spec, **options, classes=classes, labels=labels)


def require_classes(spec: str, model: str) -> None:
    """Raise DataError for data of another kind: images/ and masks/ would pass for two classes."""
    if holds_masks(spec):
        found, others = "masks or boxes", "lraspp_mobilenet_v2 or fasterrcnn_mobilenet_v2_fpn"
    elif not os.path.isdir(os.path.expanduser(spec)) and holds_texts(spec):
        found, others = "texts", "minilm_l6"
    else:
        return
    raise DataError(
        f"data '{printable(spec)}' holds {found}, and {model} says the class of an image; pass a network for them, "
        f"such as --model {others}, or images in class folders"
    )


def usable(samples: Sequence[Sample], preprocess: Preprocess, bad: Callable[[int, DataError], None] | None) -> range:
    """Return the positions of the samples to try: all, for an image is known to be bad when it is read."""
    return range(len(samples))


def way_in(recipe: Recipe, card: Card, dataset: Dataset, *, quiet: bool) -> Preprocess:
    """Return how pixels become the network's input."""
    preprocess = preprocess_of(card, recipe.weights).for_channels(recipe.in_channels)
    size = recipe.image_size or dataset.image_size or preprocess.crop
    card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=size)
    if recipe.max_size is not None:
        require_any_size(recipe, card, size)
    return replace(preprocess.at(size), jpeg=recipe.jpeg, longest=recipe.max_size)


def require_any_size(recipe: Recipe, card: Card, size: int) -> None:
    """Raise RecipeError where pictures cannot keep their shape. size: of the short side."""
    if card.detector is None:
        raise RecipeError(f"max_size: {card.name} finds no boxes; its pictures are of one size, leave max_size out")
    if isinstance(card.detector, DefaultBoxes):
        raise RecipeError(f"max_size: {card.name} takes squares, whose shares its boxes are; leave max_size out")
    if recipe.max_size is not None and recipe.max_size < size:
        raise RecipeError(
            f"max_size: got {recipe.max_size}, but the short side has {size}; raise it, or set image_size"
        )


def notes(preprocess: Preprocess, dataset: Dataset) -> list[str]:
    """Return what is to be said of the way in: nothing that the recipe does not say."""
    return []


def measured(preprocess: Preprocess, dataset: Dataset) -> dict[str, Any]:
    """Return what model.json says of the samples on their way in."""
    return {}


def reopened(folder: Path, values: dict[str, Any], card: Card) -> Preprocess:
    """Return the way in of a run, from what its model.json says."""
    return Preprocess.from_dict(values)


def kept(preprocess: Preprocess, card: Card, folder: Path) -> dict[str, Any]:
    """Return what model.json keeps of the way in; what does not fit there becomes files of the run's folder."""
    return preprocess.to_dict()


def published(recipe: Recipe, card: Card, *, quiet: bool) -> Mapping[str, np.ndarray] | None:
    """Return the pretrained tensors that a recipe names; None for none."""
    return pretrained_weights(card, recipe.weights, quiet=quiet)


def drawn(shapes: Mapping[str, tuple[int, ...]], card: Card, *, seed: int) -> dict[str, np.ndarray]:
    """Return a start for tensors that are not pretrained."""
    return initial_weights(shapes, seed=seed)


def batches_for(task: Task) -> type[Batches]:
    """Return what makes batches of the samples."""
    return task.batches()
