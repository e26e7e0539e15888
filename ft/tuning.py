"""One call from a recipe to a finished run: look up, build, train, write the result."""

import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ft import backend as backends
from ft import checkpoint, files, runfolder
from ft import recipe as recipes
from ft.backend import Learner
from ft.data import Dataset
from ft.errors import RecipeError, RunError
from ft.freeze import Freeze
from ft.job import Job, build_learner, prepare_job, surgery_notes
from ft.plots import plot_curves
from ft.progress import Progress
from ft.quiet import quiet_stderr
from ft.recipe import Recipe
from ft.run import Run
from ft.runfolder import Log
from ft.signals import stop_requests
from ft.train import FeatureBatches, Position, Source, Training, evaluate
from ft.weights import write_safetensors

RECIPE = "recipe.yaml"


def finetune(
    recipe: Recipe | None = None,
    *,
    backend: str = "torch",
    out: str | Path | None = None,
    resume: str | Path | None = None,
    quiet: bool = False,
    **fields: Any,
) -> Run:
    """Fine-tune a network by a recipe and return the finished run.

    recipe: a Recipe, the built-in one if left out; `fields` change single fields of it (or, with `resume`, of the
    recipe of the run that goes on). backend: "torch" or "tf", also for a run that the other one began. out: the run
    folder, which must be new or empty; runs/MODEL-DATA-BACKEND-NNN if left out.
    Raises UserError for a mistake, before any training where it can be seen before.
    """
    started = time.perf_counter()
    backends.require(backend)
    if resume is not None:
        if out is not None:
            raise RecipeError("out: a resumed run goes on in its own folder; leave --out or --resume out")
        return go_on(Path(resume), backend=backend, quiet=quiet, started=started, fields=fields)
    recipe = (recipe or Recipe()).replace(**fields)
    job = prepare_job(recipe, quiet=quiet)
    folder = runfolder.create(Path(out) if out else None, title=recipe.title, backend=backend)
    try:
        return execute(job, folder, backend=backend, position=Position(), saved=None, quiet=quiet, started=started)
    except BaseException:
        log = folder / runfolder.LOG
        if not log.exists() or not log.stat().st_size:  # it failed before a step was logged: leave nothing behind
            files.remove_folder(folder)
        raise


def go_on(folder: Path, *, backend: str, quiet: bool, started: float, fields: dict[str, Any]) -> Run:
    """Continue a run from its last good checkpoint, at the very next step."""
    if not (folder / RECIPE).is_file():
        raise RunError(f"{folder} is not the folder of a run (no {RECIPE}); pass one like runs/NAME-torch-001")
    recipe = recipes.from_dict({**recipes.load(folder / RECIPE), **fields})
    with files.lock(folder):
        saved = checkpoint.last_good(folder)
    if saved is None:
        raise RunError(
            f"{folder} holds no checkpoint to go on from; start again with "
            f"--config {folder / RECIPE} --out ANOTHER_FOLDER"
        )
    position = Position(**saved.state["position"])
    if position.epoch >= recipe.epochs and (folder / runfolder.RESULT).exists():
        raise RunError(
            f"{folder} is finished, {position.epoch} of {recipe.epochs} epochs; "
            f"raise --epochs to train it further, or use it with ft evaluate {folder}"
        )
    require_same_network(recipe, recipes.from_dict(saved.state["recipe"]), folder)
    job = prepare_job(recipe, classes=tuple(saved.state["classes"]), with_weights=False, quiet=quiet)
    require_same_data(job.dataset, saved.state["data"], folder)
    return execute(job, folder, backend=backend, position=position, saved=saved, quiet=quiet, started=started)


def require_same_network(recipe: Recipe, before: Recipe, folder: Path) -> None:
    """Raise RunError where changed fields no longer fit the checkpoint's tensors."""
    network = ("model", "head", "cut", "pool", "change", "in_channels")
    for field in (*network, "precision", "momentum", "freeze", "batch_size", "data", "seed"):
        if getattr(recipe, field) != getattr(before, field):
            raise RunError(
                f"{folder} was trained with {field} {getattr(before, field)}, now asked for "
                f"{getattr(recipe, field)}; a resumed run keeps it, start a new one to change it"
            )


def require_same_data(dataset: Dataset, before: dict[str, Any], folder: Path) -> None:
    """Raise RunError where the images are not those that the run began with."""
    now = data_facts(dataset)
    if now != before:
        raise RunError(
            f"{dataset.name} changed since {folder} began: {before['train']} + {before['val']} images then, "
            f"{now['train']} + {now['val']} now; restore it, or start a new run"
        )


def execute(
    job: Job,
    folder: Path,
    *,
    backend: str,
    position: Position,
    saved: checkpoint.Checkpoint | None,
    quiet: bool,
    started: float,
) -> Run:
    """Train a job from a position to its end in `folder` and write the result there."""
    recipe = job.recipe
    with files.lock(folder):
        wing = backends.load(backend)
        with quiet_stderr():
            device = wing.prepare(device=recipe.device, deterministic=recipe.deterministic)
        learner, plan = build_learner(job, wing, device=device)
        if saved is not None:
            learner.set_weights(saved.model)
            learner.set_slots(saved.optimizer)
        recipes.save(recipe, folder / RECIPE)
        train, val = job.batches("train"), job.batches("val")
        with Progress(recipe.epochs, len(train), done=position.step, quiet=quiet) as progress:
            notes = surgery_notes(job, wing.weight_shapes(learner.model)) if saved is None else []
            for line in [*headlines(job, backend, device, folder, plan), *notes]:
                progress.note(line)
            sources = [FeatureBatches(b, learner) if learner.on_features else b for b in (train, val)]
            facts = run_facts(job, backend)
            with Log(folder) as log, stop_requests() as stop:
                log.trim(position.step)
                Training(
                    job,
                    learner,
                    *sources,
                    folder=folder,
                    log=log,
                    progress=progress,
                    stop=stop,
                    position=position,
                    facts=facts,
                ).run()
        result = final_weights(job, folder, learner, position)
        position.seconds += time.perf_counter() - started
        write_result(job, folder, learner, sources[1], {**facts, **result, "seconds": round(position.seconds, 2)})
    learner.on_features = False  # from here on it takes images
    return Run(folder, learner=learner, backend=backend)


def headlines(job: Job, backend: str, device: str, folder: Path, plan: Freeze) -> list[str]:
    """Return what a person wants to read before the first epoch."""
    data, recipe = job.dataset, job.recipe
    frozen = f"frozen: {', '.join(plan.stages)}" if plan.stages else "nothing frozen"
    lines = [
        f"{recipe.model} ({backend}, {device}, {recipe.precision}) from {recipe.weights} weights, {frozen}",
        f"{data.name}: {len(data.train)} training and {len(data.val)} validation images, {len(data.classes)} classes, "
        f"{job.preprocess.crop} px",
        f"run folder: {folder}",
    ]
    return [*lines, *data.notes]


def final_weights(job: Job, folder: Path, learner: Learner, position: Position) -> dict[str, Any]:
    """Put the weights that the recipe asks for into the learner and say which epoch they are of."""
    best = checkpoint.pointed(folder, "best") if job.recipe.result == "best" else None
    if best is None:
        return {"epoch": position.epoch}
    learner.set_weights(checkpoint.load(best).model)
    return {"epoch": position.best_epoch}


def write_result(job: Job, folder: Path, learner: Learner, val: Source, facts: dict[str, Any]) -> None:
    """Evaluate once more and write predictions, curves, weights and, last of all, model.json."""
    result, classes = evaluate(learner, val), job.dataset.classes
    names = [sample.name for sample in job.dataset.val]
    runfolder.write_predictions(folder, names, result.labels, result.predicted, result.probability, classes)
    rows = runfolder.read_log(folder)
    epochs = [row for row in rows if row.get("epoch_end")]
    plot_curves(rows, epochs, folder / "curves.png", title=f"{job.recipe.title}, {facts['backend']}")
    card = job.card
    write_safetensors(folder / runfolder.MODEL, learner.get_weights(), {"architecture": card.name})
    files.write_json(
        folder / runfolder.RESULT,
        {
            "format": runfolder.FORMAT,
            "architecture": card.name,
            "head": card.last,
            **facts,
            "metrics": result.metrics,
            "sha256": {runfolder.MODEL: checkpoint.sha256_of(folder / runfolder.MODEL)},
        },
    )


def run_facts(job: Job, backend: str) -> dict[str, Any]:
    """Return what checkpoints and the result record of a run, besides its numbers."""
    packages = ("ft-parity", "numpy", "pillow", *backends.FRAMEWORKS[backend])
    return {
        "backend": backend,
        "recipe": recipes.to_dict(job.recipe),
        "classes": list(job.dataset.classes),
        "preprocess": job.preprocess.to_dict(),
        "data": data_facts(job.dataset),
        "versions": {package: version(package) for package in packages},
    }


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Return the size of each split and a hash of the names and labels, to notice data that changed."""
    digest = hashlib.sha256()
    for sample in (*dataset.train, *dataset.val):
        digest.update(f"{sample.name}\0{sample.label}\0".encode("utf-8", "surrogateescape"))
    return {"train": len(dataset.train), "val": len(dataset.val), "sha256": digest.hexdigest()}
