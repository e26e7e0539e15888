"""The learning-rate finder: a short training under a rising rate shows from where on it learns, and where it breaks.

The rate of update i of N is lr_min * (lr_max / lr_min) ** (i / (N - 1)). Its loss is that before the update; the curve
is the moving average of decay 0.9, bias-corrected as in Adam. The sweep ends early where a loss is not finite or the
curve is above four times its lowest point. The suggestion is the rate at which the curve falls most steeply over the
logarithm of the rate, before its lowest point. Afterwards weights, statistics and slots are what they were, byte by
byte. Source: Smith, "Cyclical learning rates for training neural networks", 2017.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ft.api.keywords import takes_fields
from ft.backend import contract as backends
from ft.backend.contract import Learner
from ft.data import Batch
from ft.errors import RecipeError, RunError, printable
from ft.features.features import Keeper, sources_of
from ft.recipe import Recipe
from ft.report.plots import FAINT, INK, TRAIN, VAL, new_figure, write_png
from ft.runs import folder as runfolder
from ft.system import files
from ft.system.progress import Progress
from ft.system.quiet import quiet_stderr
from ft.training.build import build_learner
from ft.training.evaluate import Source
from ft.training.job import prepare_job, recipe_of
from ft.zoo import find_card

DECAY, DIVERGED = 0.9, 4.0
WINDOW = 0.5  # decades of the rate that a slope is measured over: single batches differ by more than a step changes
NUMBERS, CURVE = "lr-find.json", "lr-find.png"


@dataclass(frozen=True)
class Sweep:
    """The rates that were tried, their losses and the smoothed curve; suggestion: None where the loss never falls."""

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float | None
    diverged: bool


@takes_fields
def find_lr(
    recipe: Recipe | None = None,
    *,
    backend: str = "torch",
    lr_min: float = 1e-6,
    lr_max: float = 1.0,
    lr_steps: int = 100,
    out: str | Path | None = None,
    quiet: bool = False,
    **fields: Any,
) -> Sweep:
    """Sweep the learning rate over a recipe's first updates; write lr-find.json and lr-find.png to `out`, if given.

    Those of an earlier sweep are replaced. quiet: without progress. The keywords from `name` on change single fields of
    the recipe.
    Raises UserError for a mistake, RunError where not even two updates have a finite loss.
    """
    if not 0 < lr_min < lr_max < np.inf or lr_steps < 3:
        raise RecipeError(
            f"lr-find: got rates from {lr_min:g} to {lr_max:g} in {lr_steps} steps; expected 0 < lr-min < lr-max and "
            "at least 3 steps"
        )
    backends.require(backend)
    recipe = recipe.replace(**fields) if recipe else recipe_of(fields)
    unit = find_card(recipe.model).unit
    with Progress(1, lr_steps, unit=unit, quiet=quiet) as progress:
        progress.note(f"lr-find: {recipe.model} ({backend}) on {recipe.data}, rates from {lr_min:g} to {lr_max:g}")
        job = prepare_job(recipe, quiet=quiet)
        folder = runfolder.claimed(Path(out), replaceable=(NUMBERS, CURVE)) if out else None
        wing = backends.load(backend)
        with quiet_stderr():
            device = wing.prepare(device=recipe.device, deterministic=recipe.deterministic)
        learner, _ = build_learner(job, wing, device=device)
        keeper = Keeper(job, learner, backend, device, progress.note, progress.counting)
        (source,) = sources_of(keeper, "train")
        with progress.counting("sweeping", lr_steps, "step") as count:
            swept = sweep(learner, source, lowest=lr_min, highest=lr_max, steps=lr_steps, count=count)
    if folder:
        files.write_json(folder / NUMBERS, asdict(swept))
        plot_sweep(swept, folder / CURVE, title=f"{recipe.title}, {backend}")
    return swept


def sweep(
    learner: Learner,
    source: Source,
    *,
    lowest: float,
    highest: float,
    steps: int,
    count: Callable[[int], None] = lambda steps: None,
) -> Sweep:
    """Train under a rising rate, then put weights, statistics and optimizer back as they were.

    count: told how many more steps are done.
    """
    weights, slots = learner.get_weights(), learner.get_slots()
    rates, losses, smoothed, average = [], [], [], 0.0
    try:
        for step, batch in zip(range(steps), endless(source), strict=False):
            rate = np.float64(lowest * (highest / lowest) ** (step / (steps - 1)))
            probes = learner.step(batch, step=step, lr=rate)
            loss = float(learner.fetch([probes])[0, 0])
            count(1)
            if not np.isfinite(loss):
                break
            average = DECAY * average + (1 - DECAY) * loss
            rates.append(float(rate))
            losses.append(loss)
            smoothed.append(average / (1 - DECAY ** (step + 1)))
            if smoothed[-1] > DIVERGED * min(smoothed):
                break
    finally:
        learner.set_weights(weights)
        learner.set_slots(slots)
    if len(rates) < 2:
        raise RunError(f"lr-find: the loss is not finite at a rate of {lowest:g} already; try a lower --lr-min")
    diverged = len(rates) < steps or smoothed[-1] > DIVERGED * min(smoothed)
    return Sweep(rates, losses, smoothed, steepest(rates, smoothed), diverged)


def endless(source: Source) -> Iterator[Batch]:
    """Yield the batches of one epoch after the other."""
    for epoch in count():
        yield from source.epoch(epoch)


def steepest(rates: list[float], smoothed: list[float]) -> float | None:
    """Return the rate at which the curve falls most steeply before its lowest point, None where it never falls."""
    lowest = int(np.argmin(smoothed))
    if lowest < 1:
        return None
    half = max(1, round(WINDOW / 2 / np.log10(rates[1] / rates[0])))
    slopes = [slope(smoothed[max(place - half, 0) : place + half + 1]) for place in range(lowest + 1)]
    return rates[int(np.argmin(slopes))]


def slope(values: list[float]) -> float:
    """Return by how much a value is above the one before it, on the straight line that is nearest to all."""
    place = np.arange(len(values)) - (len(values) - 1) / 2
    return float(place @ values / (place @ place))


def window(swept: Sweep) -> tuple[float, float]:
    """Return the losses between which the picture shows all up to the curve's lowest point, and some of the rise."""
    lowest = int(np.argmin(swept.smoothed))
    before = swept.losses[: lowest + 1] + swept.smoothed[: lowest + 1]
    bottom, top = min(before), max(*before, 2 * swept.smoothed[lowest])
    margin = 0.1 * (top - bottom)
    return bottom - margin, top + margin


def plot_sweep(swept: Sweep, path: Path, *, title: str) -> None:
    """Draw losses, curve and suggestion over the rate into the PNG `path`."""
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    axes.plot(swept.rates, swept.losses, color=TRAIN, alpha=0.28, linewidth=0.9, label="each step")
    axes.plot(swept.rates, swept.smoothed, color=TRAIN, linewidth=1.8, label="smoothed")
    if swept.suggestion is not None:
        axes.axvline(swept.suggestion, color=VAL, linewidth=1.4, label=f"steepest: lr {swept.suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_ylim(*window(swept))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("train loss")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
    figure.suptitle(printable(title), color=INK, fontsize=13, parse_math=False)
    write_png(figure, path)
