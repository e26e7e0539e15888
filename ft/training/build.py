"""A job's network and learner in one wing, with the weights that training starts from."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend import contract as backends
from ft.backend.contract import Learner, Wing
from ft.backend.objective import Objective
from ft.backend.ranks import ALONE, Ranks
from ft.errors import RecipeError, listed
from ft.network.freeze import Freeze, plan_at
from ft.network.surgery import Surgery, plan_surgery
from ft.recipe import Recipe
from ft.system.quiet import quiet_stderr
from ft.tasks.task import Task
from ft.training.job import Job, weigh_classes
from ft.training.ways import way_of
from ft.weights import cast, match_weights
from ft.weights.refit import Refit, refit
from ft.weights.source import canonical_tensors, with_own_keypoints
from ft.zoo import Card, TextCard, find_card
from ft.zoo.card import under

Tensors = Mapping[str, np.ndarray]
UNTRAINED = {
    "ema": None,
    "result": "last",
    "l2sp": 0.0,
    "l2sp_head": 0.0,
}  # what keeps a copy of the weights to train by
CHANGE: ContextVar[Callable[[Tensors], Tensors] | None] = ContextVar("change", default=None)


@contextmanager
def start_changed(change: Callable[[Tensors], Tensors]) -> Iterator[None]:
    """Let trainings start from other weights than their recipes say while the block runs."""
    token = CHANGE.set(change)
    try:
        yield
    finally:
        CHANGE.reset(token)


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
        objective=job.task.objective(job.recipe, weigh_classes(job.recipe, job.task, job.dataset)),
        ranks=job.ranks,
    )
    shapes = wing.weight_shapes(learner.model)
    last = plan_at(job.recipe, job.card, list(wing.parameters(learner.model)), epoch=max(epoch, job.recipe.epochs - 1))
    require_company(job, last, shapes)  # what has thawed by then includes all that learns before
    start, change = starting_weights(job, shapes), CHANGE.get()
    learner.set_weights(change(start) if change else start)
    return learner, plan


def require_company(job: Job, plan: Freeze, names: Iterable[str]) -> None:
    """Raise RecipeError where BatchNorm would have to learn from batches of a single image.

    The variance of one value is none: PyTorch stops there with a trace, Keras goes on with 0. Where a layer still sees
    several pixels both go on, towards statistics of single images, which is no less a mistake.
    """
    norms = (name.removesuffix(".running_var") for name in names if name.endswith(".running_var"))
    stages = list(job.card.stages)  # whose order is that of both wings
    learning = min(
        (module for module in norms if not plan.is_still(module)),
        key=lambda module: (stages.index(job.card.stage_of(module)), module),
        default=None,
    )
    if learning and min(job.recipe.batch_size, len(job.dataset.train)) == 1:
        freeze = "" if job.card.stage_of(learning) == "head" else ", or freeze it with --freeze base --bn frozen"
        raise RecipeError(
            f"batch_size: batches of a single image, from which BatchNorm ({learning}) cannot learn; "
            f"raise --batch-size or add images{freeze}"
        )


def new_learner(
    recipe: Recipe,
    wing: Wing,
    *,
    card: Card,
    surgery: Surgery | None,
    classes: int,
    image_size: int,
    objective: Objective,
    device: str,
    epoch: int = 0,
    ranks: Ranks = ALONE,
) -> tuple[Learner, Freeze]:
    """Build a recipe's network and its learner in one wing; the weights are for the caller to set.

    card, surgery: see `new_network`.
    """
    model = new_network(recipe, wing, card=card, surgery=surgery, classes=classes, image_size=image_size)
    plan = plan_at(recipe, card, list(wing.parameters(model)), epoch=epoch)
    learner = wing.Learner(model, card=card, plan=plan, recipe=recipe, objective=objective, device=device, ranks=ranks)
    return learner, plan


def new_network(
    recipe: Recipe, wing: Wing, *, card: Card, surgery: Surgery | None, classes: int, image_size: int
) -> Any:
    """Build a recipe's network in one wing, after its surgery; card: the one after it."""
    card = replace(surgery.original, keypoints=card.keypoints) if surgery else card
    if isinstance(card, TextCard):
        return wing.build_text(card, num_classes=classes, dtype=recipe.dtype)
    options = card.options(dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=image_size)
    model = wing.build_model(card.name, num_classes=classes, dtype=recipe.dtype, options=options)
    if surgery is None:
        return model
    surgery.require_fits(wing.weight_shapes(model))
    model = wing.alter(model, surgery, image_size=image_size)
    surgery.require_useful(wing.weight_shapes(model))
    return model


def starting_weights(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return the tensors that training starts from: the pretrained ones, and a head drawn from the seed."""
    recipe, card = job.recipe, job.card
    if job.source is None:
        constants = {name: table for name, table in card.constants().items() if name in shapes}
        drawn = {name: shape for name, shape in shapes.items() if name not in constants}
        return cast({**constants, **way_of(card).drawn(drawn, card, seed=recipe.seed)}, recipe.dtype)
    fitted = refit_source(job, shapes)
    fresh = {name: shapes[name] for name in fresh_names(job, shapes, fitted)}
    replaced = {*fresh, *old_head(job, shapes, fitted)}
    origin = card.own_weights if recipe.weights == "imagenet" else recipe.weights
    match = match_weights(fitted.tensors, shapes, replaced=replaced, origin=origin)
    return cast({**match.tensors, **way_of(card).drawn(fresh, card, seed=recipe.seed)}, recipe.dtype)


def refit_source(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> Refit:
    """Return the pretrained tensors, fitted to the network after its surgery."""
    source = canonical_tensors(job.source or {}, job.card, shapes)
    return refit(source, shapes, card=job.card, surgery=job.surgery, in_weights=job.recipe.in_weights)


def fresh_names(job: Job, shapes: Mapping[str, tuple[int, ...]], fitted: Refit) -> list[str]:
    """Return the names of the tensors that start anew, in the network's order."""
    anew = job.card.new_head(fitted.tensors) if job.recipe.head != "keep" else ()
    return [name for name in shapes if name in fitted.fresh or under(name, anew)]


def old_head(job: Job, shapes: Mapping[str, tuple[int, ...]], fitted: Refit) -> list[str]:
    """Return the names of the weights' own head that the network has no place for, where the head starts anew.

    Somebody else's head may be of several layers: fc.0.weight, fc.2.weight.
    """
    head = (job.card.head, *job.card.outputs)
    anew = job.recipe.head != "keep"
    return [name for name in fitted.tensors if anew and name not in shapes and under(name, head)]


def surgery_notes(job: Job, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return what surgery made of the pretrained weights and every layer that starts anew, for the user to read."""
    if job.source is None:  # everything starts anew
        return [f"surgery: {job.surgery.asked}"] if job.surgery else []
    fitted = refit_source(job, shapes)
    if job.surgery is None:
        return list(fitted.notes)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in fresh_names(job, shapes, fitted))
    return [f"surgery: {job.surgery.asked}", *fitted.notes, f"starts anew: {', '.join(layers)}"]


def untrained_notes(job: Job, shapes: Mapping[str, tuple[int, ...]], parameters: Collection[str]) -> list[str]:
    """Return what starts from random numbers and stays so to the end, for the user to read."""
    recipe = job.recipe
    last = plan_at(recipe, job.card, parameters, epoch=recipe.epochs - 1)  # what has thawed by then
    if job.source is None:
        if not last.stages:
            return []
        return [
            f"weights none: {listed(last.stages)} start from random numbers and never train, so what trains learns "
            "from random features; pass --weights imagenet or a file, or --freeze none"
        ]
    fresh = fresh_names(job, shapes, refit_source(job, shapes))
    layers = dict.fromkeys(n.rpartition(".")[0] for n in fresh if n in parameters and last.is_frozen(n))
    return [f"starts anew and never trains: {listed(layers)}; thaw it with --freeze or --unfreeze"] if layers else []


def load_learner(
    recipe: Recipe,
    task: Task,
    tensors: Mapping[str, np.ndarray],
    classes: int,
    *,
    image_size: int,
    backend: str,
    home: Path | None = None,
) -> Learner:
    """Build a recipe's network in one wing with these weights, to be asked; WeightsError where they do not fit.

    Nothing that only a training needs takes memory: optimizer slots are made at the first step, averages not at all.
    home: the folder of the run, see `find_card`.
    """
    wing = backends.load(backend)
    with quiet_stderr():
        try:
            device = wing.prepare(device=recipe.device, deterministic=recipe.deterministic)
        except RecipeError:  # it was trained on a device that is not here
            device = wing.prepare(device="auto", deterministic=recipe.deterministic)
    card = find_card(recipe.model, home)
    card = with_own_keypoints(way_of(card).answering(way_of(card).adapted(card, recipe), recipe, task), tensors)
    surgery = plan_surgery(card, recipe)
    learner, _ = new_learner(
        recipe.replace(**UNTRAINED),
        wing,
        card=surgery.card if surgery else card,
        surgery=surgery,
        classes=classes,
        image_size=image_size,
        objective=task.objective(recipe, None),
        device=device,
    )
    shapes = wing.weight_shapes(learner.model)
    learner.set_weights(match_weights(canonical_tensors(tensors, card, shapes), shapes).tensors)
    return learner
