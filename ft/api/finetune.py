"""One call from a recipe to a finished run: look up, build, train, write the result."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ft import recipe as recipes
from ft.api.headlines import headlines, went_on
from ft.api.keywords import takes_fields
from ft.api.result import final_weights, write_result
from ft.api.run import Run
from ft.backend import contract as backends
from ft.backend.contract import Learner, Wing
from ft.backend.ranks import Ranks, usual_backend
from ft.data import Batches
from ft.data.sources.dataset import data_facts
from ft.data.sources.recorded import find_again, place_of, require_same_data
from ft.errors import RecipeError, RunError, memory_is_exhausted
from ft.features.features import FeatureBatches, Keeper, sources_of
from ft.network.freeze import Freeze
from ft.recipe import Recipe, deciding
from ft.recipe.optimizer import settings_of
from ft.report.training.summary import FRAMEWORKS
from ft.runs import checkpoint, history
from ft.runs import folder as runfolder
from ft.runs.folder import Log, NoLog
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
from ft.training.ranks import agree, agree_on, connect, together, watched
from ft.training.restart import restarted
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
    if resume is not None and recipe is not None:
        raise RecipeError("recipe: a resumed run has its own; pass the fields that change as keywords")
    if resume is not None and out is not None:
        raise RecipeError("out: a resumed run goes on in its own folder; leave --out or --resume out")
    given = {**(recipes.to_dict(recipe) if recipe else {}), **fields}
    ranks = connect(backend or usual_backend(), given)
    told = Told(ranks, quiet or not ranks.writes, started)
    with watched(ranks):
        if resume is not None:
            return go_on(Path(resume), backend=backend, told=told, fields=fields)
        backend = backend or usual_backend()
        with together(ranks):
            backends.require(backend)
            recipe = recipe.replace(**fields) if recipe else recipe_of(fields)
        agree_on(ranks, recipe, backend=backend, resume=None)
        begun = restarted(ranks, recipe, Path(out) if out else None, backend=backend)
        if begun is not None:
            return go_on(begun, backend=backend, told=told, fields={})
        return begin(recipe, Path(out) if out else None, backend=backend, told=told)


@dataclass(frozen=True)
class Told:
    """The ranks of a training, whether it says nothing, and when it started."""

    ranks: Ranks
    quiet: bool
    started: float


def begin(recipe: Recipe, out: Path | None, *, backend: str, told: Told) -> Run:
    """Train a new run."""
    ranks, start = told.ranks, partial(runfolder.new_run, out, title=recipe.title, backend=backend)
    with ExitStack() as stack:
        with together(ranks):
            # a folder that is there is held before any work; one that is not is made after a look at the data around it
            hold = stack.enter_context(start()) if ranks.writes and out and os.path.exists(out) else None
            job = replace(prepare_job(recipe, quiet=told.quiet), ranks=ranks)
            hold = hold or (stack.enter_context(start()) if ranks.writes else None)
        hold = hold_of(ranks, hold)
        return execute(job, hold, backend=backend, position=Position(), saved=None, told=told)


def hold_of(ranks: Ranks, hold: files.Hold | None) -> files.Hold:
    """Return the hold of the run's folder, on the ranks that do not write one that stands for it."""
    folder = ranks.gather(os.path.abspath(hold.folder).encode() if hold else b"")[0] if ranks.size > 1 else b""
    return hold or files.NoHold(Path(os.fsdecode(folder)))


def go_on(folder: Path, *, backend: str | None, told: Told, fields: dict[str, Any]) -> Run:
    """Continue a run from its last good checkpoint, at the very next step."""
    with ExitStack() as stack:
        with together(told.ranks):
            if not os.path.isfile(folder / RECIPE):  # pathlib raises on names that are too long
                raise RunError(f"{folder} is not the folder of a run (no {RECIPE}); pass one like runs/NAME-torch-001")
            # from the look at its checkpoints on: nobody else goes on meanwhile
            hold = stack.enter_context(files.lock(folder)) if told.ranks.writes else None
        return go_on_holding(hold_of(told.ranks, hold), folder, backend=backend, told=told, fields=fields)


def go_on_holding(hold: files.Hold, folder: Path, *, backend: str | None, told: Told, fields: dict[str, Any]) -> Run:
    """Continue the run whose folder is held."""
    ranks = told.ranks
    with together(ranks):
        recipe = recipes.from_dict({**recipes.load(files.own(folder, folder / RECIPE)), **fields})
        saved = checkpoint.last_good(folder)
        if saved is None:
            raise RunError(
                f"{folder} holds no checkpoint to go on from; start again with "
                f"--config {folder / RECIPE} --out ANOTHER_FOLDER"
            )
        state = checked_training(saved.state, saved.path / STATE)
        backend = backend or (str(state["backend"]) if ranks.size == 1 else usual_backend())
        backends.require(backend)
        position, task = Position.from_dict(state["position"]), task_in(state)
        require_work(recipe, position, task, folder, state["recipe"])
        require_same_network(recipe, recipes.from_dict(state["recipe"]), folder)
        allowed, recipe = recipe.allow_data_change, recipe.replace(allow_data_change=False)  # for this time only
        classes, record = tuple(state["classes"]), state["data"]
        if "data" not in fields:
            opened = partial(open_data, recipe, find_card(recipe.model, folder), classes, task)
            recipe = recipe.replace(data=find_again(recipe.data, record, folder, opened))
        job = prepare_job(recipe, classes=classes, task=task, with_weights=False, home=folder, quiet=told.quiet)
        if not allowed:
            require_same_data(job.dataset, record, folder, "start a new run, or pass --allow-data-change")
    agree_on(ranks, recipe, backend=backend, step=position.step)
    return execute(replace(job, ranks=ranks), hold, backend=backend, position=position, saved=saved, told=told)


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


def execute(
    job: Job,
    hold: files.Hold,
    *,
    backend: str,
    position: Position,
    saved: checkpoint.Checkpoint | None,
    told: Told,
) -> Run:
    """Train a job from a position to its end in the folder that is held and write the result there."""
    folder, recipe, began = hold.folder, job.recipe, told.started - position.seconds  # as if all sessions were one
    agree(job.ranks, {f"data {name}": value for name, value in data_facts(job.dataset).items()})
    with together(job.ranks):
        built = build(job, backend, position, saved, quiet=told.quiet)
        learner, length = built.learner, len(job.batches("train"))
        if job.ranks.writes:
            checkpoint.require_room(folder, learner.get_weights(), learner.get_slots())
            recipes.save(recipe, folder / RECIPE)
    with (
        Progress(
            recipe.epochs,
            length,
            told=job.task.told,
            unit=job.card.unit,
            done=position.steps_of(length),
            quiet=told.quiet,
        ) as progress,
        memory_explained(job, built.wing),
    ):
        for line in first_lines(job, backend, folder, built, position, saved):
            progress.note(line)
        facts: dict[str, Any] = {"backend": backend}
        with together(job.ranks):
            if job.ranks.writes:
                facts = run_facts(job, backend, built.device, folder, position, saved)
        sources = train_on(job, hold, built, position, progress, facts, backend=backend, began=began)
    hold.check()
    result = final_weights(job, folder, learner, position)
    facts |= {**result, "seconds": round(time.perf_counter() - began, 2)}
    write_result(job, folder, learner, sources, facts)
    learner.run_as_one()  # a user may change its weights
    return Run(folder, learner=learner, backend=backend)


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


def build(job: Job, backend: str, position: Position, saved: checkpoint.Checkpoint | None, *, quiet: bool) -> Built:
    """Load the framework and build the network, with a checkpoint's tensors where there is one."""
    with stages(2, quiet=quiet or not SafeStream(sys.stderr).isatty()) as begin:  # in a file the headlines say enough
        begin(f"loading {FRAMEWORKS[backend]}")
        wing = backends.load(backend)
        with quiet_stderr():
            device = wing.prepare(device=job.recipe.device, deterministic=job.recipe.deterministic)
        begin(f"building {job.card.name}")
        with memory_explained(job, wing):
            learner, plan = build_learner(job, wing, device=device, epoch=position.epoch)
        if saved is not None:
            restore(learner, wing, saved)
    return Built(wing, device, learner, plan)


def first_lines(
    job: Job, backend: str, folder: Path, built: Built, position: Position, saved: checkpoint.Checkpoint | None
) -> list[str]:
    """Return what is told before the first step: where it goes on, what it is, what starts anew, what has changed."""
    tensors = built.wing.weight_shapes(built.learner.model)
    lines = headlines(job, backend, built.device, folder, built.plan, tensors)
    if saved is None:
        return [*lines, *surgery_notes(job, tensors), *untrained_notes(job, tensors, built.parameters)]
    changed = what_changes(saved.state, job, backend, position, len(job.batches("train")))
    lines = [went_on(position, job.recipe, str(saved.state["backend"]), backend), *lines]
    return [*lines, changed] if changed else lines


def train_on(
    job: Job,
    hold: files.Hold,
    built: Built,
    position: Position,
    progress: Progress,
    facts: dict[str, Any],
    *,
    backend: str,
    began: float,
) -> list[Batches | FeatureBatches]:
    """Train from a position to the end; return what it trained and validated on."""
    learner, plan, to_log = built.learner, built.plan, []
    run_ahead(job, learner, plan, backend=backend, epoch=position.epoch, say=progress.note, log=to_log.append)
    keeper = Keeper(job, learner, backend, built.device, progress.note, progress.counting)
    train, val = sources_of(keeper, "train", "val")
    with Log(hold.folder) if job.ranks.writes else NoLog() as log, stop_requests() as stop:
        log.trim(position.step)
        for line in to_log:
            log.note(position.step, line)
        session = Session(
            job=job,
            learner=learner,
            train=train,
            val=val,
            hold=hold,
            log=log,
            progress=progress,
            stop=stop,
            facts=facts,
            parameters=built.parameters,
            began=began,
        )
        Training(session, position, plan).run()
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


def run_facts(
    job: Job, backend: str, device: str, folder: Path, position: Position, saved: checkpoint.Checkpoint | None
) -> dict[str, Any]:
    """Return what checkpoints and the result record of a run, besides its numbers."""
    packages = ("ft-parity", "numpy", "pillow", *backends.FRAMEWORKS[backend])
    versions, recipe = {package: version(package) for package in packages}, recipes.to_dict(job.recipe)
    before = history.recorded(saved.state) if saved else []
    found = history.changes(recipes.from_dict(saved.state["recipe"]), job.recipe) if saved else {}
    session = history.session(
        {name: recipe[name] for name in found} if saved else recipe,
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
        "preprocess": way_of(job.card).kept(job.preprocess, job.card, folder),
        "data": {**data_facts(job.dataset), **place_of(job.recipe.data)},
        "versions": versions,
        "history": history.joined(before, session),
    }
