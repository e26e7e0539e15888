"""One call from a recipe to a finished run, new or resumed; the ranks of one training agree on all of it."""

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ft import recipe as recipes
from ft.api.keywords import takes_fields
from ft.api.run import Run
from ft.api.session import Start, Told, execute
from ft.backend import contract as backends
from ft.backend.ranks import Ranks, usual_backend
from ft.data.sources.recorded import find_again, require_same_data
from ft.errors import RecipeError, RunError
from ft.recipe import Recipe, deciding
from ft.recipe.optimizer import settings_of
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.runs.tables import checked_training
from ft.system import files
from ft.system.names import RECIPE, STATE
from ft.system.reading import shortened
from ft.tasks import task_in
from ft.tasks.task import Task
from ft.training.going_on import why_finished
from ft.training.job import open_data, prepare_job, recipe_of
from ft.training.position import Position
from ft.training.ranks import agree_on, connect, together, watched
from ft.training.restart import restarted
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


def begin(recipe: Recipe, out: Path | None, *, backend: str, told: Told) -> Run:
    """Train a new run."""
    ranks, start = told.ranks, partial(runfolder.new_run, out, title=recipe.title, backend=backend)
    with ExitStack() as stack:
        with together(ranks):
            # a folder that is there is held before any work; one that is not is made after a look at the data around it
            hold = stack.enter_context(start()) if ranks.writes and out and os.path.exists(out) else None
            job = replace(prepare_job(recipe, quiet=told.quiet), ranks=ranks)
            hold = hold or (stack.enter_context(start()) if ranks.writes else None)
        return execute(Start(job, hold_of(ranks, hold), backend, Position(), None, told))


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
    return execute(Start(replace(job, ranks=ranks), hold, backend, position, saved, told))


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
