"""A recipe looked up and checked: all that can be wrong is found here, before a framework is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft.backend import Learner, Wing
from ft.data import Batches, Dataset, Preprocess, open_dataset
from ft.freeze import Freeze, frozen_stages, plan_freeze
from ft.recipe import Recipe
from ft.surgery import Surgery, plan_surgery
from ft.weights import cast, initial_weights, match_weights, require_finite
from ft.weights.pretrained import preprocess_of, pretrained_weights
from ft.weights.refit import Refit, refit
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

    def batches(self, split: str) -> Batches:
        """Return the batches of "train", shuffled and augmented, or of "val", in order and as they are."""
        recipe, training = self.recipe, split == "train"
        return Batches(
            getattr(self.dataset, split),
            self.preprocess,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            shuffle=training,
            augment=recipe.augment if training else "none",
            dtype=recipe.precision,
            workers=recipe.workers,
        )


def prepare_job(
    recipe: Recipe, *, classes: tuple[str, ...] | None = None, with_weights: bool = True, quiet: bool = False
) -> Job:
    """Look up everything that a recipe names. Raises UserError for whatever is wrong.

    classes: those of a run that goes on; with_weights: False where the tensors will come from a checkpoint.
    """
    card = find_card(recipe.model)
    surgery = plan_surgery(card, recipe)
    frozen_stages(surgery.card if surgery else card, recipe.freeze)
    preprocess = preprocess_of(card, recipe.weights).for_channels(recipe.in_channels)
    dataset = open_dataset(recipe.data, val_fraction=recipe.val_fraction, seed=recipe.seed, classes=classes)
    size = recipe.image_size or dataset.image_size or preprocess.crop
    card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=size)
    source = pretrained_weights(card, recipe.weights, quiet=quiet) if with_weights else None
    require_finite(source or {}, f"weights {recipe.weights}")
    return Job(recipe, surgery.card if surgery else card, dataset, preprocess.at(size), source, surgery)


def build_learner(job: Job, wing: Wing, *, device: str) -> tuple[Learner, Freeze]:
    """Build the network in one wing, with the recipe's starting weights where the job has them."""
    classes, size = len(job.dataset.classes), job.preprocess.crop
    learner, plan = new_learner(job.recipe, wing, classes=classes, image_size=size, device=device)
    learner.on_features = keeps_features(job.recipe, plan, job.card)
    learner.set_weights(starting_weights(job, wing.weight_shapes(learner.model)))
    return learner, plan


def new_learner(recipe: Recipe, wing: Wing, *, classes: int, image_size: int, device: str) -> tuple[Learner, Freeze]:
    """Build a recipe's network and its learner in one wing; the weights are for the caller to set."""
    model, card = new_network(recipe, wing, classes=classes, image_size=image_size)
    plan = plan_freeze(card, list(wing.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
    return wing.Learner(model, card=card, plan=plan, recipe=recipe, device=device), plan


def new_network(recipe: Recipe, wing: Wing, *, classes: int, image_size: int) -> tuple[Any, Card]:
    """Build a recipe's network in one wing, after its surgery, and return it with its card."""
    card = find_card(recipe.model)
    options = card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=image_size)
    model = wing.build_model(card.name, num_classes=classes, dtype=recipe.precision, options=options)
    surgery = plan_surgery(card, recipe)
    if surgery is None:
        return model, card
    surgery.require_fits(wing.weight_shapes(model))
    model = wing.alter(model, surgery, image_size=image_size)
    surgery.require_useful(wing.weight_shapes(model))
    return model, surgery.card


def starting_weights(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return the tensors that training starts from: the pretrained ones, and a head drawn from the seed."""
    recipe, card = job.recipe, job.card
    if job.source is None:
        constants = {name: table for name, table in card.constants().items() if name in shapes}
        drawn = {name: shape for name, shape in shapes.items() if name not in constants}
        return cast({**constants, **initial_weights(drawn, seed=recipe.seed)}, recipe.precision)
    fitted = refit_source(job, shapes)
    fresh = {name: shapes[name] for name in fresh_names(job, shapes, fitted)}
    match = match_weights(fitted.tensors, shapes, replaced=fresh, origin=recipe.weights)
    return cast({**match.tensors, **initial_weights(fresh, seed=recipe.seed)}, recipe.precision)


def refit_source(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> Refit:
    """Return the pretrained tensors, fitted to the network after its surgery."""
    return refit(job.source or {}, shapes, card=job.card, surgery=job.surgery, in_weights=job.recipe.in_weights)


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
    """Tell whether the base's output for an image is the same in every epoch, so that it is computed only once."""
    base_stands_still = plan.inference and set(plan.stages) == set(card.stages) - {"head"}
    return recipe.cache_features and recipe.augment == "none" and base_stands_still
