"""A recipe looked up and checked: all that can be wrong is found here, before a framework is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend.ranks import ALONE, Ranks
from ft.data import Augmentation, Batches, Dataset, Preprocess, Reading, Sampling
from ft.data.settings import AS_THEY_ARE
from ft.data.sources.texts import reuters
from ft.data.text.process import TextProcess
from ft.errors import RecipeError, listed
from ft.metrics.multilabel import Labels
from ft.network.freeze import check_plan
from ft.network.surgery import Surgery, plan_surgery
from ft.recipe import Recipe
from ft.tasks import BY_NETWORK, TASKS, task_for
from ft.tasks.task import Task
from ft.training.accumulation import cut_of
from ft.training.penalty import require_anchor
from ft.training.ways import way_of
from ft.weights import require_finite
from ft.weights.tensors import is_floating
from ft.zoo import Card, find_card

TEXT_MODEL = "minilm_l6"


def recipe_of(fields: Mapping[str, Any]) -> Recipe:
    """Return a recipe with these fields, the others as is usual for its network, else the defaults.

    The built-in texts have a network of their own where none is named.
    """
    model = TEXT_MODEL if fields.get("data") == reuters.NAME else Recipe.model
    fields = {"model": model, **fields}
    return Recipe(**{**find_card(fields["model"]).usual(fields), **fields})


@dataclass(frozen=True)
class Job:
    """What a recipe's names stand for: the card, the samples, their way in, the tensors to start from.

    ranks: the processes that train together.
    """

    recipe: Recipe
    card: Card
    dataset: Dataset
    preprocess: Preprocess | TextProcess
    source: Mapping[str, np.ndarray] | None
    surgery: Surgery | None = None
    ranks: Ranks = ALONE

    @property
    def task(self) -> Task:
        """What the network learns to say."""
        return task_for(self.card, self.dataset)

    @property
    def notes(self) -> list[str]:
        """What a person should know before the training starts, one line each."""
        images, batch, precision = len(self.dataset.train), self.recipe.batch_size, self.recipe.dtype
        types = {t.dtype.name for t in (self.source or {}).values() if is_floating(t.dtype)} - {precision}
        few = f"fewer training {self.card.unit}s than batch_size: every epoch is one step of {images}"
        lines = [few] if images < batch else []
        lines += [f"weights of type {listed(sorted(types))} are cast to {precision}"] if types else []
        return lines + list(self.dataset.notes)

    def batches(self, split: str, *, plain: bool = False, as_pixels: bool = False) -> Batches:
        """Return the batches of "train", shuffled and augmented, or of "val" or "test", in order and as they are.

        plain: the images of "train" are shuffled, but not augmented; as_pixels: see `Reading`.
        """
        recipe, classes = self.recipe, len(self.dataset.classes)
        shuffle, grouped = split == "train", recipe.group_by_aspect
        sampling = Sampling(recipe.batch_size, recipe.seed, shuffle=shuffle, by_aspect=grouped)
        augmentation = AS_THEY_ARE
        if split == "train" and not plain:
            size, balanced = recipe.batch_size * recipe.accumulate, recipe.sampling == "balanced"
            cut = replace(cut_of(recipe), rank=self.ranks.rank, ranks=self.ranks.size)
            sampling = replace(sampling, batch_size=size, balanced=balanced, cut=cut)
            augmentation = Augmentation.of(recipe, classes=classes)
        reading, teach = Reading.of(recipe, as_pixels=as_pixels), self.task.teach(classes=classes, dtype=recipe.dtype)
        samples = getattr(self.dataset, split)
        make = way_of(self.card).batches_for(self.task)
        return make(samples, self.preprocess, sampling, augmentation, reading, teach=teach)


def labels_of(recipe: Recipe, task: Task | None) -> Labels:
    """Return what the labels of a training's data may be; RecipeError where its loss is none for a run's task."""
    task = task or TASKS.get(recipe.task or "")
    if recipe.loss.startswith("bce"):
        return task.labels if task else "either"
    if task and task.labels == "sets":
        raise RecipeError(
            f"loss: {recipe.loss} takes one label each, the run was trained on any number; pass --loss bce"
        )
    return task.labels if task else "one"


def prepare_job(
    recipe: Recipe,
    *,
    classes: tuple[str, ...] | None = None,
    task: Task | None = None,
    with_weights: bool = True,
    home: Path | None = None,
    quiet: bool = False,
) -> Job:
    """Look up everything that a recipe names. Raises UserError for whatever is wrong.

    classes, task: those of a run that goes on; with_weights: False where the tensors will come from a checkpoint;
    home: the folder of the run, see `find_card`.
    """
    labels_of(recipe, task)
    card = find_card(recipe.model, home)
    way = way_of(card)
    card = way.adapted(card, recipe)
    surgery = plan_surgery(card, recipe)
    altered = surgery.card if surgery else card
    check_plan(recipe, altered)
    require_anchor(recipe, altered)
    dataset = open_data(recipe, card, classes, task, recipe.data, quiet=quiet)
    task = task_for(card, dataset)
    task.require(recipe)
    altered = way.answering(altered, recipe, task)
    if altered.keypoints is not None:
        altered = replace(altered, keypoints=len(dataset.keypoints))
    weigh_classes(recipe, task, dataset)
    preprocess = way.way_in(recipe, card, dataset, quiet=quiet)
    source = way.published(recipe, way.answering(card, recipe, task), quiet=quiet) if with_weights else None
    if not recipe.allow_nonfinite:
        require_finite(source or {}, f"weights {recipe.weights}")
    return Job(recipe, altered, dataset, preprocess, source, surgery)


def open_data(
    recipe: Recipe,
    card: Card,
    classes: tuple[str, ...] | None,
    task: Task | None,
    spec: str,
    *,
    quiet: bool = True,
) -> Dataset:
    """Open the data `spec` as a recipe and its network's card say. classes, task: those of a run that goes on."""
    way = way_of(card)
    made_for = BY_NETWORK.get(card.task)
    labels = made_for.labels if made_for else labels_of(recipe, task)
    policy = way.policy_of(recipe, card, quiet=quiet)
    return way.read_data(recipe, spec, classes=classes, policy=policy, labels=labels).split()


def weigh_classes(recipe: Recipe, task: Task, dataset: Dataset) -> tuple[float, ...] | None:
    """Return what each class counts in the loss, None for no weights; RecipeError where the numbers do not fit.

    balanced: images / (classes * images of the class), over the training images, as scikit-learn has it; where an image
    may have several labels, it counts once for each, and of masks the pixels are counted.
    """
    if recipe.class_weights == "none":
        return None
    count = len(dataset.classes)
    if recipe.class_weights != "balanced":
        if len(recipe.class_weights) != count:
            raise RecipeError(
                f"class_weights: got {len(recipe.class_weights)} numbers, {dataset.name} has {count} classes"
            )
        return recipe.class_weights
    images = task.counts(dataset.train, count)
    if not images.all():
        raise RecipeError(
            f"class_weights: class '{dataset.classes[int(images.argmin())]}' has no training image, so balanced "
            "has no weight for it; add images, or give the weights as numbers"
        )
    return tuple((images.sum() / (count * images)).tolist())
