"""What is told of a training before its first step."""

from collections.abc import Collection
from pathlib import Path

from ft.data import Dataset
from ft.network.freeze import Freeze, why_not_kept
from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, divides_by_zero
from ft.report.training.summary import FRAMEWORKS
from ft.training.job import Job
from ft.training.position import Position
from ft.training.ways import way_of


def went_on(position: Position, recipe: Recipe, before: str, now: str) -> str:
    """Return where a run goes on, and in which wing; before: the one that its last checkpoint is of."""
    wing = f"in {FRAMEWORKS[now]}" + (f", until there in {FRAMEWORKS[before]}" if before != now else "")
    if position.epoch >= recipe.epochs:
        return f"goes on after step {position.step}, the last one, {wing}"
    return f"goes on at step {position.step + 1}, in epoch {position.epoch + 1} of {recipe.epochs}, {wing}"


def headlines(job: Job, backend: str, device: str, folder: Path, plan: Freeze, tensors: Collection[str]) -> list[str]:
    """Return what a person wants to read before the first epoch. tensors: the names of the network's."""
    data, recipe, unit = job.dataset, job.recipe, job.card.unit
    weights = job.card.own_weights if recipe.weights == "imagenet" else recipe.weights
    lines = [
        f"{recipe.model} ({backend}, {device}, {recipe.precision}) from {weights} weights, {plan.summary()}",
        f"{data.name}: {split_words(data)} {unit}s, {job.task.labels_in_words(len(data.classes))}, "
        f"{'any number each, ' if data.multilabel else ''}"
        f"{job.preprocess.size_words}",
        f"run folder: {folder}",
    ]
    if recipe.unfreeze:
        lines.append(f"unfreezing at epochs: {', '.join(recipe.unfreeze)}; no features are kept")
    elif recipe.cache in ("memory", "disk") or recipe.cache_views:  # somebody counts on it
        reason = why_not_kept(recipe, plan, job.card)
        lines += [f"no features are kept: {reason}"] if reason else []
    if divides_by_zero(recipe):
        default = RULES[recipe.optimizer].numbers["eps"]
        lines.append(f"eps 0: {recipe.optimizer} divides by zero where a gradient is 0; its default is {default:g}")
    return [
        *lines,
        *accumulation_notes(recipe, plan, tensors, unit),
        *rank_notes(job.ranks.size, recipe, plan, tensors),
        *job.notes,
        *way_of(job.card).notes(job.preprocess, job.dataset),
    ]


def idle_gpus(gpus: int, backend: str) -> str:
    """Return what one process leaves unused of several GPUs."""
    return f"1 of {gpus} GPUs computes; ft launch --processes {gpus} --backend {backend} takes all of them"


def split_words(data: Dataset) -> str:
    """Return how many images train, validate and, where there are any, test."""
    train, val = f"{len(data.train)} training", f"{len(data.val)} validation"
    return f"{train}, {val} and {len(data.test)} test" if data.test else f"{train} and {val}"


def accumulation_notes(recipe: Recipe, plan: Freeze, tensors: Collection[str], unit: str) -> list[str]:
    """Return what is to be said of gradient accumulation: where it is not the same as one large batch."""
    if recipe.accumulate == 1:
        return []
    size, whole = recipe.batch_size, recipe.batch_size * recipe.accumulate
    lines = [f"an update takes the gradients of {recipe.accumulate} batches of {size}: {whole} {unit}s"]
    if statistics_move(plan, tensors):
        lines.append(f"BatchNorm sees {size} images at a time, so this is not the same as --batch-size {whole}")
    return lines


def rank_notes(size: int, recipe: Recipe, plan: Freeze, tensors: Collection[str]) -> list[str]:
    """Return what is to be said of several processes: how many there are, and where that changes the result."""
    if size == 1:
        return []
    lines = [f"{size} processes share each batch of {recipe.batch_size}"]
    if recipe.bn_sync == "off" and statistics_move(plan, tensors):
        lines.append("bn_sync off: BatchNorm sees each process's part alone, so the result depends on their number")
    return lines


def statistics_move(plan: Freeze, tensors: Collection[str]) -> bool:
    """Tell whether a BatchNorm learns from batches. tensors: the names of the network's."""
    return any(name.endswith("running_var") and not plan.is_still(name) for name in tensors)
