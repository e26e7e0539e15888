"""One session of a training, from what it starts from to the result that is written."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ft import recipe as recipes
from ft.api.headlines import headlines, idle_gpus, went_on
from ft.api.result import final_weights, write_result
from ft.api.run import Run
from ft.backend import contract as backends
from ft.backend.contract import Learner, Wing
from ft.backend.ranks import Ranks
from ft.data import Batches
from ft.data.sources.dataset import data_facts
from ft.data.sources.recorded import place_of
from ft.errors import RunError, memory_is_exhausted
from ft.features.features import FeatureBatches, Keeper, sources_of
from ft.network.freeze import Freeze
from ft.report.training.summary import FRAMEWORKS
from ft.runs import checkpoint, history
from ft.runs.folder import Log, NoLog
from ft.system import files
from ft.system.names import MODEL, OPTIMIZER, RECIPE
from ft.system.progress import Progress, SafeStream, stages
from ft.system.quiet import quiet_stderr
from ft.system.signals import stop_requests
from ft.training.build import build_learner, surgery_notes, untrained_notes
from ft.training.compiling import run_ahead
from ft.training.going_on import change_note
from ft.training.job import Job
from ft.training.loop import Session, Training
from ft.training.position import Position
from ft.training.ranks import agree, together
from ft.training.ways import way_of


@dataclass(frozen=True)
class Told:
    """The ranks of a training, whether it says nothing, and when it started."""

    ranks: Ranks
    quiet: bool
    started: float


@dataclass(frozen=True, eq=False)
class Start:
    """What a session starts from. hold: of its folder; saved: the checkpoint that it goes on from, None for none."""

    job: Job
    hold: files.Hold
    backend: str
    position: Position
    saved: checkpoint.Checkpoint | None
    told: Told

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.hold.folder

    @cached_property
    def began(self) -> float:
        """When the run would have begun if all its sessions were one: asked once, for the position moves on."""
        return self.told.started - self.position.seconds


def execute(start: Start) -> Run:
    """Train a job from a position to its end in the folder that is held and write the result there."""
    ranks = start.job.ranks
    agree(ranks, {f"data {name}": value for name, value in data_facts(start.job.dataset).items()})
    with together(ranks):
        built = build(start)
        if ranks.writes:
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
    job = start.job
    quiet = start.told.quiet or not SafeStream(sys.stderr).isatty()  # in a file the headlines say enough
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
    bar = Progress(job.recipe.epochs, length, told=job.task.told, unit=job.card.unit, done=done, quiet=start.told.quiet)
    with bar as progress, memory_explained(job, built.wing):
        for line in first_lines(start, built):
            progress.note(line)
        facts: dict[str, Any] = {"backend": start.backend}
        with together(job.ranks):
            if job.ranks.writes:
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
    if built.device == "cuda" and job.ranks.size == 1 and (gpus := built.wing.count_gpus()) > 1:
        lines.append(idle_gpus(gpus, start.backend))
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
    with Log(start.folder) if job.ranks.writes else NoLog() as log, stop_requests() as stop:
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
        **({"category_ids": list(job.dataset.numbers)} if job.dataset.numbers else {}),
        **({"colours": list(job.dataset.colours)} if job.dataset.colours else {}),
        "preprocess": way_of(job.card).kept(job.preprocess, job.card, start.folder),
        "data": {**data_facts(job.dataset), **place_of(job.recipe.data)},
        "versions": versions,
        "history": history.joined(before, session),
    }
