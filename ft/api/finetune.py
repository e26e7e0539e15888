"""One call from a recipe to a finished run: look up, build, train, write the result."""

import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ft import recipe as recipes
from ft.api.keywords import takes_fields
from ft.api.result import final_weights, write_result
from ft.api.run import Run
from ft.backend import contract as backends
from ft.backend.contract import Learner, Wing
from ft.data import Batches, Dataset
from ft.data.sources.dataset import data_facts
from ft.data.sources.recorded import find_again, place_of, require_same_data
from ft.errors import RecipeError, RunError, memory_is_exhausted
from ft.features.features import FeatureBatches, Keeper, sources_of
from ft.network.freeze import Freeze, why_not_kept
from ft.recipe import Recipe, deciding
from ft.recipe.optimizer import RULES, divides_by_zero, settings_of
from ft.report.training.summary import FRAMEWORKS
from ft.runs import checkpoint, history
from ft.runs import folder as runfolder
from ft.runs.folder import Log
from ft.runs.tables import checked_training
from ft.system import files
from ft.system.names import MODEL, OPTIMIZER, RECIPE, STATE
from ft.system.progress import Progress, SafeStream, stages
from ft.system.quiet import quiet_stderr
from ft.system.reading import shortened
from ft.system.signals import stop_requests
from ft.tasks import task_in
from ft.tasks.task import Task
from ft.training.build import build_learner, surgery_notes, untrained_notes
from ft.training.compiling import run_ahead
from ft.training.going_on import change_note, why_finished
from ft.training.job import Job, open_data, prepare_job, recipe_of
from ft.training.loop import Session, Training
from ft.training.position import Position
from ft.training.ways import way_of
from ft.zoo import find_card


@takes_fields
def finetune(
    recipe: Recipe | None = None,
    *,
    backend: str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    quiet: bool = False,
    **fields: Any,
) -> Run:
    """Fine-tune a network by a recipe and return the finished run.

    recipe: a Recipe, the built-in one if left out; the keywords from `name` on, see `ft train --help`, change single
    fields of it (or, with `resume`, of the recipe of the run that goes on). backend: "torch" or "tf"; if left out
    "torch", or for a run that goes on the one that it was in. out: the run folder, which must be new or empty;
    runs/MODEL-DATA-BACKEND-NNN if left out.
    Raises UserError for a mistake, before any training where it can be seen before.
    """
    started = time.perf_counter()
    if resume is not None:
        if recipe is not None:
            raise RecipeError("recipe: a resumed run has its own; pass the fields that change as keywords")
        if out is not None:
            raise RecipeError("out: a resumed run goes on in its own folder; leave --out or --resume out")
        return go_on(Path(resume), backend=backend, quiet=quiet, started=started, fields=fields)
    backend = backend or "torch"
    backends.require(backend)
    recipe = recipe.replace(**fields) if recipe else recipe_of(fields)
    start = partial(runfolder.new_run, Path(out) if out else None, title=recipe.title, backend=backend)
    with ExitStack() as stack:
        # a folder that is there is held before any work; one that is not is made after a look at the data around it
        hold = stack.enter_context(start()) if out and os.path.exists(out) else None
        job = prepare_job(recipe, quiet=quiet)
        hold = hold or stack.enter_context(start())
        return execute(Start(job, hold, backend, Position(), None, quiet, started))


def go_on(folder: Path, *, backend: str | None, quiet: bool, started: float, fields: dict[str, Any]) -> Run:
    """Continue a run from its last good checkpoint, at the very next step."""
    if not os.path.isfile(folder / RECIPE):  # pathlib raises on names that are too long
        raise RunError(f"{folder} is not the folder of a run (no {RECIPE}); pass one like runs/NAME-torch-001")
    with files.lock(folder) as hold:  # from the look at its checkpoints on: nobody else goes on meanwhile
        return go_on_holding(hold, backend=backend, quiet=quiet, started=started, fields=fields)


def go_on_holding(hold: files.Hold, *, backend: str | None, quiet: bool, started: float, fields: dict[str, Any]) -> Run:
    """Continue the run whose folder is held."""
    folder = hold.folder
    recipe = recipes.from_dict({**recipes.load(files.own(folder, folder / RECIPE)), **fields})
    saved = checkpoint.last_good(folder)
    if saved is None:
        raise RunError(
            f"{folder} holds no checkpoint to go on from; start again with "
            f"--config {folder / RECIPE} --out ANOTHER_FOLDER"
        )
    state = checked_training(saved.state, saved.path / STATE)
    backend = backend or str(state["backend"])
    backends.require(backend)
    position, task = Position.from_dict(state["position"]), task_in(state)
    require_work(recipe, position, task, folder, state["recipe"])
    require_same_network(recipe, recipes.from_dict(state["recipe"]), folder)
    allowed, recipe = recipe.allow_data_change, recipe.replace(allow_data_change=False)  # for this time only
    classes, record = tuple(state["classes"]), state["data"]
    if "data" not in fields:
        opened = partial(open_data, recipe, find_card(recipe.model, folder), classes, task)
        recipe = recipe.replace(data=find_again(recipe.data, record, folder, opened))
    job = prepare_job(recipe, classes=classes, task=task, with_weights=False, home=folder, quiet=quiet)
    if not allowed:
        require_same_data(job.dataset, record, folder, "start a new run, or pass --allow-data-change")
    return execute(Start(job, hold, backend, position, saved, quiet, started))


def require_work(recipe: Recipe, position: Position, task: Task, folder: Path, before: dict[str, Any]) -> None:
    """Raise RunError where no step is left to train and the result is there. before: the recipe of the checkpoint."""
    why, there = why_finished(recipe, position, task), written_recipe(folder)
    if why is None or there is None or any(there[name] != before[name] for name in deciding("length")):
        return  # it ended before it wrote the result of its last epochs
    if there["result"] == recipe.result or (recipe.result == "average" and not position.ranked):
        raise RunError(f"{folder} {why}, or use it with ft evaluate {folder}")


def written_recipe(folder: Path) -> dict[str, Any] | None:
    """Return the recipe of the result that a run wrote last, None where there is none that can be read."""
    try:
        return runfolder.read_result(folder).get("recipe")
    except RunError:
        return None


def require_same_network(recipe: Recipe, before: Recipe, folder: Path) -> None:
    """Raise RunError where changed fields no longer fit the checkpoint's tensors."""
    words = "tensors", "order", *["statistics"] * bool(before.ema)  # the average holds statistics that move
    kept = [field for field in deciding(*words) if field != "data"]  # which images they are is for their digest to say
    then, now = ({**{field: getattr(r, field) for field in kept}, **settings_of(r)} for r in (before, recipe))
    for field in (*kept, *deciding("slots")):
        if now.get(field) != then.get(field):
            had, asked = (shortened(str(fields.get(field))) for fields in (then, now))
            raise RunError(
                f"{folder} was trained with {field} {had}, now asked for {asked}; "
                "a resumed run keeps it, start a new one to change it"
            )


@dataclass(frozen=True, eq=False)
class Start:
    """What a session starts from. hold: of its folder; saved: the checkpoint that it goes on from, None for a new run.

    started: when it was called, by `time.perf_counter`.
    """

    job: Job
    hold: files.Hold
    backend: str
    position: Position
    saved: checkpoint.Checkpoint | None
    quiet: bool
    started: float

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.hold.folder

    @property
    def began(self) -> float:
        """When the run would have begun if all its sessions were one."""
        return self.started - self.position.seconds


def execute(start: Start) -> Run:
    """Train a job from a position to its end in the folder that is held and write the result there."""
    built = build(start)
    ready_folder(start, built.learner)
    sources, facts = train(start, built)
    finish(start, built.learner, sources, facts)
    return Run(start.folder, learner=built.learner, backend=start.backend)


@dataclass(frozen=True, eq=False)
class Built:
    """A job's network in its wing, with the weights that this session starts from."""

    wing: Wing
    device: str
    learner: Learner
    plan: Freeze

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters, trained or not."""
        return list(self.wing.parameters(self.learner.model))


def build(start: Start) -> Built:
    """Load the framework and build the network, with a checkpoint's tensors where there is one."""
    job, quiet = start.job, start.quiet or not SafeStream(sys.stderr).isatty()  # in a file the headlines say enough
    with stages(2, quiet=quiet) as begin:
        begin(f"loading {FRAMEWORKS[start.backend]}")
        wing = backends.load(start.backend)
        with quiet_stderr():
            device = wing.prepare(device=job.recipe.device, deterministic=job.recipe.deterministic)
        begin(f"building {job.card.name}")
        with memory_explained(job, wing):
            learner, plan = build_learner(job, wing, device=device, epoch=start.position.epoch)
        if start.saved is not None:
            restore(learner, wing, start.saved)
    return Built(wing, device, learner, plan)


def ready_folder(start: Start, learner: Learner) -> None:
    """See that the checkpoints will fit on the disk, and write the recipe."""
    checkpoint.require_room(start.folder, learner.get_weights(), learner.get_slots())
    recipes.save(start.job.recipe, start.folder / RECIPE)


def train(start: Start, built: Built) -> tuple[list[Batches | FeatureBatches], dict[str, Any]]:
    """Train under a bar of progress; return what it trained and validated on, and the facts of the run."""
    job, length = start.job, len(start.job.batches("train"))
    done = start.position.steps_of(length)
    bar = Progress(job.recipe.epochs, length, told=job.task.told, unit=job.card.unit, done=done, quiet=start.quiet)
    with bar as progress, memory_explained(job, built.wing):
        for line in first_lines(start, built):
            progress.note(line)
        facts = run_facts(start, built.device)
        return train_on(start, built, progress, facts), facts


def finish(start: Start, learner: Learner, sources: list[Batches | FeatureBatches], facts: dict[str, Any]) -> None:
    """Write the result, and leave the learner as a user may take it."""
    start.hold.check()
    result = final_weights(start.job, start.folder, learner, start.position)
    facts |= {**result, "seconds": round(time.perf_counter() - start.began, 2)}
    write_result(start.job, start.folder, learner, sources, facts)
    learner.run_as_one()  # a user may change its weights


def first_lines(start: Start, built: Built) -> list[str]:
    """Return what is told before the first step: where it goes on, what it is, what starts anew, what has changed."""
    job, saved, tensors = start.job, start.saved, built.wing.weight_shapes(built.learner.model)
    lines = headlines(job, start.backend, built.device, start.folder, built.plan, tensors)
    if saved is None:
        return [*lines, *surgery_notes(job, tensors), *untrained_notes(job, tensors, built.parameters)]
    changed = what_changes(saved.state, job, start.backend, start.position, len(job.batches("train")))
    lines = [went_on(start.position, job.recipe, str(saved.state["backend"]), start.backend), *lines]
    return [*lines, changed] if changed else lines


def train_on(start: Start, built: Built, progress: Progress, facts: dict[str, Any]) -> list[Batches | FeatureBatches]:
    """Train from a position to the end; return what it trained and validated on."""
    job, backend, position, learner, to_log = start.job, start.backend, start.position, built.learner, []
    run_ahead(job, learner, built.plan, backend=backend, epoch=position.epoch, say=progress.note, log=to_log.append)
    kept = Keeper(job, learner, backend, built.device, progress.note, progress.counting)
    train, val = sources_of(kept, "train", "val")
    del kept  # and with it a base in float64
    with Log(start.folder) as log, stop_requests() as stop:
        log.trim(position.step)
        for line in to_log:
            log.note(position.step, line)
        session = Session(
            job=job,
            learner=learner,
            train=train,
            val=val,
            hold=start.hold,
            log=log,
            progress=progress,
            stop=stop,
            facts=facts,
            parameters=built.parameters,
            began=start.began,
        )
        Training(session, position, built.plan).run()
    return [train, val]


def went_on(position: Position, recipe: Recipe, before: str, now: str) -> str:
    """Return where a run goes on, and in which wing; before: the one that its last checkpoint is of."""
    wing = f"in {FRAMEWORKS[now]}" + (f", until there in {FRAMEWORKS[before]}" if before != now else "")
    if position.epoch >= recipe.epochs:
        return f"goes on after step {position.step}, the last one, {wing}"
    return f"goes on at step {position.step + 1}, in epoch {position.epoch + 1} of {recipe.epochs}, {wing}"


def restore(learner: Learner, wing: Wing, saved: checkpoint.Checkpoint) -> None:
    """Put a checkpoint's tensors into a learner. Raises RunError where one is missing or has another shape."""
    checkpoint.require_tensors(saved.model, wing.weight_shapes(learner.model), saved.path / MODEL)
    learner.set_weights(saved.model)
    slots = {name: slot.shape for name, slot in learner.get_slots().items()}
    checkpoint.require_tensors(saved.optimizer, slots, saved.path / OPTIMIZER)
    learner.set_slots(saved.optimizer)


@contextmanager
def memory_explained(job: Job, wing: Wing) -> Iterator[None]:
    """Turn an exhausted memory, the machine's or the device's, into a RunError that says what takes less."""
    try:
        yield
    except Exception as error:
        if not memory_is_exhausted(error, [wing]):
            raise
        raise RunError(
            f"out of memory with batches of {job.recipe.batch_size} {job.card.unit}s of {job.preprocess.size_words}; "
            f"try --batch-size {max(job.recipe.batch_size // 2, 1)}, a smaller {job.preprocess.flag}, or --freeze "
            "base; a run that has a checkpoint goes on with --resume RUN"
        ) from error


def headlines(job: Job, backend: str, device: str, folder: Path, plan: Freeze, tensors: Collection[str]) -> list[str]:
    """Return what a person wants to read before the first epoch. tensors: the names of the network's."""
    data, recipe, unit = job.dataset, job.recipe, job.card.unit
    weights = job.card.own_weights if recipe.weights == "imagenet" else recipe.weights
    lines = [
        f"{recipe.model} ({backend}, {device}, {recipe.precision}) from {weights} weights, {plan.summary()}",
        f"{data.name}: {split_words(data)} {unit}s, {len(data.classes)} classes, "
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
        *job.notes,
        *way_of(job.card).notes(job.preprocess, job.dataset),
    ]


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
    if any(name.endswith("running_var") and not plan.is_still(name) for name in tensors):
        lines.append(f"BatchNorm sees {size} images at a time, so this is not the same as --batch-size {whole}")
    return lines


def what_changes(state: dict[str, Any], job: Job, backend: str, position: Position, length: int) -> str | None:
    """Return what this session changes of the run, see `change_note`. state: of the checkpoint; length: of an epoch."""
    return change_note(recipes.from_dict(state["recipe"]), job.recipe, (state["backend"], backend), position, length)


def run_facts(start: Start, device: str) -> dict[str, Any]:
    """Return what checkpoints and the result record of a run, besides its numbers."""
    job, backend, position, saved = start.job, start.backend, start.position, start.saved
    packages = ("ft-parity", "numpy", "pillow", *backends.FRAMEWORKS[backend])
    versions, recipe = {package: version(package) for package in packages}, recipes.to_dict(job.recipe)
    before = history.recorded(saved.state) if saved else []
    changed = history.changes(recipes.from_dict(saved.state["recipe"]), job.recipe) if saved else {}
    session = history.session(
        {name: recipe[name] for name in changed} if saved else recipe,
        backend=backend,
        device=device,
        versions=versions,
        step=position.step,
        epoch=position.epoch,
    )
    return {
        "backend": backend,
        "recipe": recipe,
        "recipe_version": recipes.VERSION,
        "task": job.task.name,
        "unit": job.card.unit,
        "classes": list(job.dataset.classes),
        "preprocess": way_of(job.card).kept(job.preprocess, job.card, start.folder),
        "data": {**data_facts(job.dataset), **place_of(job.recipe.data)},
        "versions": versions,
        "history": history.joined(before, session),
    }
