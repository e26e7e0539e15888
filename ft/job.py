"""A recipe looked up and checked: all that can be wrong is found here, before a framework is loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ft.backend import Learner, Wing
from ft.data import Batches, Dataset, Distortion, Mix, Policy, Preprocess, open_dataset
from ft.errors import RecipeError, listed
from ft.freeze import Freeze, check_plan, plan_at
from ft.multilabel import Labels
from ft.penalty import require_anchor
from ft.recipe import Recipe
from ft.surgery import Surgery, plan_surgery
from ft.task import MULTI, SINGLE, Task
from ft.weights import cast, initial_weights, match_weights, require_finite
from ft.weights.pretrained import preprocess_of, pretrained_weights
from ft.weights.refit import Refit, refit
from ft.weights.source import canonical_tensors
from ft.weights.tensors import is_floating
from ft.zoo import Card, find_card
from ft.zoo.card import under


@dataclass(frozen=True)
class Job:
    """What a recipe's names stand for: the card, the images, the pixels' way in, the tensors to start from."""

    recipe: Recipe
    card: Card
    dataset: Dataset
    preprocess: Preprocess
    source: Mapping[str, np.ndarray] | None
    surgery: Surgery | None = None

    @property
    def task(self) -> Task:
        """What the labels are."""
        return MULTI if self.dataset.multilabel else SINGLE

    @property
    def notes(self) -> list[str]:
        """What a person should know before the training starts, one line each."""
        images, batch, precision = len(self.dataset.train), self.recipe.batch_size, self.recipe.dtype
        types = {t.dtype.name for t in (self.source or {}).values() if is_floating(t.dtype)} - {precision}
        lines = (
            [f"fewer training images than batch_size: every epoch is one step of {images}"] if images < batch else []
        )
        lines += [f"weights of type {listed(sorted(types))} are cast to {precision}"] if types else []
        return lines + list(self.dataset.notes)

    def batches(self, split: str, *, plain: bool = False, as_pixels: bool = False) -> Batches:
        """Return the batches of "train", shuffled and augmented, or of "val", in order and as they are.

        plain: the images of "train" are shuffled, but not augmented; as_pixels: see `Batches`.
        """
        recipe, training = self.recipe, split == "train" and not plain
        return Batches(
            getattr(self.dataset, split),
            self.preprocess,
            batch_size=recipe.batch_size * (recipe.accumulate if training else 1),
            seed=recipe.seed,
            shuffle=split == "train",
            balanced=training and recipe.sampling == "balanced",
            augment=recipe.augment if training else "none",
            distortion=distortion_of(recipe) if training else None,
            mix=mix_of(recipe, len(self.dataset.classes)) if training else None,
            columns=self.task.columns(len(self.dataset.classes)),
            dtype=recipe.dtype,
            as_pixels=as_pixels,
            workers=recipe.workers,
            max_pixels=recipe.max_pixels,
            read_timeout=recipe.read_timeout,
        )


def distortion_of(recipe: Recipe) -> Distortion | None:
    """Return what a recipe does to single images beyond crop and flip."""
    operations, magnitude = recipe.operations
    found = Distortion(operations, magnitude, recipe.jitter, recipe.hue, recipe.erase)
    return found if operations or recipe.jitter or recipe.hue or recipe.erase else None


def mix_of(recipe: Recipe, classes: int) -> Mix | None:
    """Return how a recipe mixes batches."""
    return Mix(recipe.mixup, recipe.cutmix, classes, recipe.seed) if recipe.mixup or recipe.cutmix else None


def labels_of(recipe: Recipe, task: Task | None) -> Labels:
    """Return what the labels of a training's data may be; RecipeError where its loss is none for a run's task."""
    if recipe.loss.startswith("bce"):
        return task.labels if task else "either"
    if task is MULTI:
        raise RecipeError(
            f"loss: {recipe.loss} takes one label an image, the run was trained on any number; pass --loss bce"
        )
    return "one"


def prepare_job(
    recipe: Recipe,
    *,
    classes: tuple[str, ...] | None = None,
    task: Task | None = None,
    with_weights: bool = True,
    quiet: bool = False,
) -> Job:
    """Look up everything that a recipe names. Raises UserError for whatever is wrong.

    classes, task: those of a run that goes on; with_weights: False where the tensors will come from a checkpoint.
    """
    labels = labels_of(recipe, task)
    card = find_card(recipe.model)
    surgery = plan_surgery(card, recipe)
    altered = surgery.card if surgery else card
    check_plan(recipe, altered)
    require_anchor(recipe, altered)
    preprocess = preprocess_of(card, recipe.weights).for_channels(recipe.in_channels)
    short_side = preprocess.at(recipe.image_size or preprocess.crop).resize
    dataset = open_dataset(
        recipe.data,
        val_fraction=recipe.val_fraction,
        seed=recipe.seed,
        classes=classes,
        policy=Policy.of(recipe, short_side=short_side, quiet=quiet),
        labels=labels,
    )
    weigh_classes(recipe, dataset)
    size = recipe.image_size or dataset.image_size or preprocess.crop
    card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=size)
    source = pretrained_weights(card, recipe.weights, quiet=quiet) if with_weights else None
    if not recipe.allow_nonfinite:
        require_finite(source or {}, f"weights {recipe.weights}")
    preprocess = replace(preprocess.at(size), jpeg=recipe.jpeg)
    return Job(recipe, altered, dataset, preprocess, source, surgery)


def build_learner(job: Job, wing: Wing, *, device: str, epoch: int = 0) -> tuple[Learner, Freeze]:
    """Build the network in one wing, with the recipe's starting weights where the job has them.

    epoch: the one to train next, which decides what is frozen.
    """
    classes, size = len(job.dataset.classes), job.preprocess.crop
    learner, plan = new_learner(
        job.recipe,
        wing,
        card=job.card,
        surgery=job.surgery,
        classes=classes,
        image_size=size,
        device=device,
        epoch=epoch,
        class_weights=weigh_classes(job.recipe, job.dataset),
    )
    shapes = wing.weight_shapes(learner.model)
    last = plan_at(job.recipe, job.card, list(wing.parameters(learner.model)), epoch=max(epoch, job.recipe.epochs - 1))
    require_company(job, last, shapes)  # what has thawed by then includes all that learns before
    learner.on_features = keeps_features(job.recipe, plan, job.card)
    learner.set_weights(starting_weights(job, shapes))
    return learner, plan


def require_company(job: Job, plan: Freeze, names: Iterable[str]) -> None:
    """Raise RecipeError where BatchNorm would have to learn from batches of a single image.

    The variance of one value is none: PyTorch stops there with a trace, Keras goes on with 0. Where a layer still sees
    several pixels both go on, towards statistics of single images, which is no less a mistake.
    """
    norms = (name.removesuffix(".running_var") for name in names if name.endswith(".running_var"))
    learning = next((module for module in norms if not plan.runs_in_inference(module)), None)
    if learning and min(job.recipe.batch_size, len(job.dataset.train)) == 1:
        raise RecipeError(
            f"batch_size: batches of a single image, from which BatchNorm ({learning}) cannot learn; "
            "raise --batch-size or add images, or freeze it with --freeze base --bn frozen"
        )


def new_learner(
    recipe: Recipe,
    wing: Wing,
    *,
    card: Card,
    surgery: Surgery | None,
    classes: int,
    image_size: int,
    device: str,
    epoch: int = 0,
    class_weights: tuple[float, ...] | None = None,
) -> tuple[Learner, Freeze]:
    """Build a recipe's network and its learner in one wing; the weights are for the caller to set.

    card, surgery: see `new_network`.
    """
    model = new_network(recipe, wing, card=card, surgery=surgery, classes=classes, image_size=image_size)
    plan = plan_at(recipe, card, list(wing.parameters(model)), epoch=epoch)
    learner = wing.Learner(model, card=card, plan=plan, recipe=recipe, device=device, class_weights=class_weights)
    return learner, plan


def new_network(
    recipe: Recipe, wing: Wing, *, card: Card, surgery: Surgery | None, classes: int, image_size: int
) -> Any:
    """Build a recipe's network in one wing, after its surgery; card: the one after it."""
    card = surgery.original if surgery else card
    options = card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=image_size)
    model = wing.build_model(card.name, num_classes=classes, dtype=recipe.dtype, options=options)
    if surgery is None:
        return model
    surgery.require_fits(wing.weight_shapes(model))
    model = wing.alter(model, surgery, image_size=image_size)
    surgery.require_useful(wing.weight_shapes(model))
    return model


def weigh_classes(recipe: Recipe, dataset: Dataset) -> tuple[float, ...] | None:
    """Return what each class counts in the loss, None for no weights; RecipeError where the numbers do not fit.

    balanced: images / (classes * images of the class), over the training images, as scikit-learn has it; where an image
    may have several labels, it counts once for each.
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
    images = np.bincount([label for sample in dataset.train for label in sample.labels], minlength=count)
    if not images.all():
        raise RecipeError(
            f"class_weights: class '{dataset.classes[int(images.argmin())]}' has no training image, so balanced "
            "has no weight for it; add images, or give the weights as numbers"
        )
    return tuple((images.sum() / (count * images)).tolist())


def starting_weights(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return the tensors that training starts from: the pretrained ones, and a head drawn from the seed."""
    recipe, card = job.recipe, job.card
    if job.source is None:
        constants = {name: table for name, table in card.constants().items() if name in shapes}
        drawn = {name: shape for name, shape in shapes.items() if name not in constants}
        return cast({**constants, **initial_weights(drawn, seed=recipe.seed)}, recipe.dtype)
    fitted = refit_source(job, shapes)
    fresh = {name: shapes[name] for name in fresh_names(job, shapes, fitted)}
    match = match_weights(fitted.tensors, shapes, replaced=fresh, origin=recipe.weights)
    return cast({**match.tensors, **initial_weights(fresh, seed=recipe.seed)}, recipe.dtype)


def refit_source(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> Refit:
    """Return the pretrained tensors, fitted to the network after its surgery."""
    source = canonical_tensors(job.source or {}, job.card, shapes)
    return refit(source, shapes, card=job.card, surgery=job.surgery, in_weights=job.recipe.in_weights)


def fresh_names(job: Job, shapes: Mapping[str, tuple[int, ...]], fitted: Refit) -> list[str]:
    """Return the names of the tensors that start anew, in the network's order."""
    new_head = job.recipe.head != "keep"
    return [name for name in shapes if name in fitted.fresh or (new_head and under(name, job.card.outputs))]


def surgery_notes(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return what surgery made of the pretrained weights and every layer that starts anew, for the user to read."""
    if job.source is None:  # everything starts anew
        return [f"surgery: {job.surgery.asked}"] if job.surgery else []
    fitted = refit_source(job, shapes)
    if job.surgery is None:
        return list(fitted.notes)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in fresh_names(job, shapes, fitted))
    return [f"surgery: {job.surgery.asked}", *fitted.notes, f"starts anew: {', '.join(layers)}"]


def keeps_features(recipe: Recipe, plan: Freeze, card: Card) -> bool:
    """Tell whether the base's output for an image is the same in every epoch, so that it is computed only once.

    With `unfreeze` it is not kept at all, not even for the epochs before the base moves.
    """
    return recipe.cache != "off" and why_not_kept(recipe, plan, card) is None


def why_not_kept(recipe: Recipe, plan: Freeze, card: Card) -> str | None:
    """Return why the base's output for an image cannot be kept, None where it can; for the user to read.

    A base that updates its BatchNorm statistics runs in training mode, with its dropout: each step changes its output.
    """
    if recipe.unfreeze:
        return "unfreeze lets the base train"
    if set(plan.stages) != set(card.stages) - {"head"}:
        return "not all of the base is frozen"
    if not plan.inference:
        return "with bn update the base runs in training mode"
    if not (recipe.stands_still or recipe.cache_views):
        return "augmentation changes the images from epoch to epoch (see --cache-views)"
    return None
