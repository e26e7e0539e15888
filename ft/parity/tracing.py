"""A recipe traced: in this process by one wing, or by both wings, each in a process of its own."""

import os
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path

import numpy as np

from ft import recipe as recipes
from ft.backend import contract as backends
from ft.backend.contract import Learner
from ft.data import Inputs, Padded, TokenIds
from ft.data.sources.dataset import data_facts
from ft.errors import RecipeError, RunError
from ft.network.freeze import Freeze, plan_at
from ft.parity.arrays import gap, spread_of
from ft.parity.sensitivity import Band, band_of, moved_by_one_ulp
from ft.parity.trace import Trace, TraceBatch, write_trace
from ft.recipe import Recipe
from ft.runs.folder import claimed
from ft.system import apart, files
from ft.system.names import RECIPE
from ft.system.quiet import quiet_stderr
from ft.training.build import build_learner, start_changed
from ft.training.job import Job, prepare_job
from ft.training.schedule import rate_of

WINGS = ("torch", "tf")
Noise = dict[tuple[int | None, str, str], float]  # step, phase, name -> relative difference


def trace_recipe(recipe: Recipe, folder: Path, *, backend: str, steps: int, one_ulp: bool = False) -> Trace:
    """Trace the first `steps` steps of a recipe's training in one wing; 0 for inference, loss and gradients alone.

    one_ulp: start from weights that are moved by one unit in the last place.
    Raises RecipeError for more steps than the training has, RunError where `folder` is in use.
    """
    backends.require(backend)
    require_exact(recipe)
    job = prepare_job(recipe, quiet=True)
    per_epoch = len(job.batches("train"))
    if not 0 <= steps <= per_epoch * recipe.epochs:
        raise RecipeError(f"steps: got {steps}; this training has {per_epoch * recipe.epochs}")
    claimed(folder)
    wing = backends.load(backend)
    with quiet_stderr():
        device = wing.prepare(device=recipe.device, deterministic=recipe.deterministic)
        with start_changed(moved_by_one_ulp) if one_ulp else nullcontext():
            learner, plan = build_learner(job, wing, device=device)
        names = list(wing.parameters(learner.model))
        facts = {
            "backend": backend,
            "dtype": recipe.precision,
            "recipe": recipes.to_dict(recipe),
            "classes": list(job.dataset.classes),
            "data": data_facts(job.dataset)["sha256"],
            "versions": {
                package: version(package) for package in ("ft-parity", "numpy", *backends.FRAMEWORKS[backend])
            },
        }
        write_trace(
            folder,
            learner,
            wing,
            islice(trace_batches(job, learner, plan, names), max(steps, 1)),
            facts,
            update=steps > 0,
        )
    return Trace(folder)


def require_exact(recipe: Recipe) -> None:
    """Raise RecipeError for a type in which rounding hides what a comparison looks for."""
    if recipe.precision == "bfloat16":
        raise RecipeError("precision: bfloat16 rounds too coarsely to compare arrays; take float64, or float32")


def trace_batches(job: Job, learner: Learner, plan: Freeze, names: Collection[str]) -> Iterator[TraceBatch]:
    """Yield what the steps of a training are fed, epoch after epoch, and thaw the learner's stages on the way.

    A schedule that looks at the val loss is not followed: its rate stays.
    """
    batches, step = job.batches("train"), count()
    for epoch in count():
        due = plan_at(job.recipe, job.card, names, epoch=epoch)
        if due != plan:
            learner.set_plan(plan := due)
        for batch in batches.epoch(epoch):
            rate = rate_of(job.recipe, next(step), steps_per_epoch=len(batches))
            yield TraceBatch(arrays_of(batch.inputs), batch.targets, rate)


def arrays_of(inputs: Inputs) -> dict[str, np.ndarray]:
    """Return what a step is fed by the names that it has in a trace."""
    if isinstance(inputs, Padded):
        return {"images": inputs.images, "sizes": inputs.sizes}
    return dict(inputs.arrays) if isinstance(inputs, TokenIds) else {"images": np.asarray(inputs)}


@dataclass(frozen=True)
class TracePair:
    """The traces of both wings, and how far the float32 arrays of each are from its own float64 ones, if measured."""

    torch: Trace
    tf: Trace
    noise: tuple[Noise, Noise] | None
    band: Band | None = None


def trace_pair(recipe: Recipe, folder: Path, *, steps: int, noise: bool, sensitivity: bool = False) -> TracePair:
    """Trace a recipe in both wings, each in a process of its own, into folders of `folder`.

    noise: trace one step in the other floating-point type as well; sensitivity: trace the first wing once more, from
    weights that are moved by one ulp.
    """
    for wing in WINGS:
        backends.require(wing)
    require_exact(recipe)
    prepare_job(recipe, quiet=True, with_weights=False)  # one message for a mistake, not one a process
    torch, tf = trace_both(recipe, folder, steps=steps)
    distances = None
    if noise:
        other = "float32" if recipe.precision == "float64" else "float64"
        short = trace_both(recipe.replace(precision=other), folder / other, steps=min(steps, 1))
        distances = noise_of(short[0], torch), noise_of(short[1], tf)
    band = band_of(torch, trace_again(folder, steps=steps)) if sensitivity else None
    return TracePair(torch, tf, distances, band)


def trace_again(folder: Path, *, steps: int) -> Trace:
    """Trace the first wing once more from moved weights; the recipe is in `folder` already."""
    command, again = trace_command(folder, steps), folder / f"{WINGS[0]}-one-ulp"
    run_side_by_side({WINGS[0]: [*command, "--backend", WINGS[0], "--out", str(again), "--one-ulp"]})
    return Trace(again)


def trace_both(recipe: Recipe, folder: Path, *, steps: int) -> list[Trace]:
    """Run `ft trace` for both wings at once and return their traces."""
    with files.explained(folder):
        files.make_folder(folder)
    recipes.save(recipe, folder / RECIPE)
    command = trace_command(folder, steps)
    run_side_by_side({wing: [*command, "--backend", wing, "--out", str(folder / wing)] for wing in WINGS})
    return [Trace(folder / wing) for wing in WINGS]


def trace_command(folder: Path, steps: int) -> list[str]:
    """Return the command that traces the recipe in `folder`, as far as it is the same for every wing."""
    return apart.command("ft", "trace", "--config", str(folder / RECIPE), "--steps", str(steps))


def run_side_by_side(commands: dict[str, Sequence[str]]) -> None:
    """Run one command a wing at the same time; RunError with what the first failing one said."""
    # two processes with as many threads each as there are cores wait for one another most of the time
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
    environment = apart.environment({"OMP_NUM_THREADS": threads})
    processes = {
        wing: subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
        for wing, command in commands.items()
    }
    said = {wing: process.communicate()[1] for wing, process in processes.items()}
    for wing, process in processes.items():
        if process.returncode:
            lines = said[wing].strip().splitlines() or [f"exit code {process.returncode}"]
            raise RunError(f"{wing}: {lines[-1].removeprefix('error: ')}")


def noise_of(one: Trace, other: Trace) -> Noise:
    """Return how far a wing's float32 arrays are from its own float64 ones, up to step 0."""
    distances = {}
    for step, phase in one.phases():
        if step in (None, 0) and phase in ("inference", "forward", "statistics", "loss", "gradients"):
            of_one, of_other = one.arrays(step, phase), other.arrays(step, phase)
            for name in (name for name in of_one if "<" not in name):
                least = spread_of(name, of_one, of_other)
                distances[step, phase, name] = gap(of_one[name], of_other[name], least=least).relative
    return distances
