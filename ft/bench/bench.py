"""One benchmark from its settings to its table, its JSON and its picture."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ft.bench.photos import lay_out, read_all
from ft.bench.plot import plot_rows
from ft.bench.process import run
from ft.bench.runs import Plan, Settings, Timing, measure, plans
from ft.bench.table import accuracy_checks, rows_of
from ft.errors import RecipeError, RunError, unknown
from ft.system import files
from ft.system.cores import usable_cores

PACKAGES = ("ft-parity", "torch", "torchvision", "tensorflow", "keras", "numpy", "pillow")


def bench(
    settings: Settings,
    *,
    data: str | None,
    weights: str,
    out: Path,
    only: Sequence[str],
    note: Callable[[str], None],
    repeat: int = 3,
    peak_seconds: float = 3.0,
    peak_side: int = 4096,
) -> dict[str, Any]:
    """Make the runs, write bench.json and bench.png to the folder `out` and return what bench.json holds.

    only: names of runs, all that can be made here if empty; repeat: how often each is made, all of them in turn: what
    slows the machine for a while slows no run alone. data and weights: as in a recipe; data None: generated.
    """
    chosen = choose(only, settings, note)
    files.make_folder(out)
    work = Path(tempfile.mkdtemp(prefix="ft-bench-"))
    try:
        train, val = lay_out(data, work / "data", images=settings.images)
        settings = replace(settings, images=train)
        read_all(work / "data")
        run("ft.bench.start", [settings.model, weights, str(work / "start.safetensors")], {})
        peak = measure_peak(settings, peak_side, peak_seconds)
        timings = [timed(plan, settings, work, note) for _ in range(repeat) for plan in chosen]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    given = {"repeat": repeat, "val_images": val, "data": data or "generated", "weights": weights}
    result = {
        "settings": {**asdict(settings), **given},
        "machine": machine(),
        "peak": peak,
        "runs": rows_of(timings, peak),
        "checks": accuracy_checks(timings, val_images=val),
    }
    files.write_json(out / "bench.json", result)
    title = (
        f"{settings.model}, {train} images of {settings.size} px, {settings.epochs} epochs, batch {settings.batch_size}"
    )
    plot_rows(result["runs"], out / "bench.png", title=title)
    return result


def choose(only: Sequence[str], settings: Settings, note: Callable[[str], None]) -> list[Plan]:
    """Return the runs to make; RecipeError for one that does not exist or cannot be made here."""
    known = plans()
    for name in only:
        if name not in known:
            raise RecipeError(f"only: {unknown('run', name, known)}")
        if reason := known[name].lacks(settings):
            raise RecipeError(f"only: {name}: {reason}; leave it out")
    chosen = []
    for plan in known.values() if not only else [known[name] for name in only]:
        if reason := plan.lacks(settings):
            note(f"left out: {plan.name}: {reason}")
        else:
            chosen.append(plan)
    if not chosen:
        raise RunError('bench: nothing to run; install a framework: pip install "ft-parity[torch]"')
    return chosen


def timed(plan: Plan, settings: Settings, work: Path, note: Callable[[str], None]) -> Timing:
    """Make one run, say what it took, and leave nothing for the next one to find."""
    timing = measure(plan, settings, work)
    for left in ("caches", "runs"):
        shutil.rmtree(work / left, ignore_errors=True)
    warm = "" if timing.warm_seconds is None else f", warm {timing.warm_seconds:.1f} s"
    note(f"{plan.name}: {timing.seconds:.1f} s{warm}{f' (scaled: {timing.scaled})' if timing.scaled else ''}")
    return timing


def measure_peak(settings: Settings, side: int, seconds: float) -> dict[str, float]:
    """Return FLOP/s by type and the operations of a forward pass, as PyTorch has them; nothing without PyTorch."""
    if find_spec("torchvision") is None:
        return {}
    flags = ["--model", settings.model, "--size", settings.size, "--side", side, "--seconds", seconds]
    return run("ft_peers.peak_torch", [str(flag) for flag in flags], {}).json()


def machine() -> dict[str, Any]:
    """Return what the figures depend on, without a name."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    threads = os.environ.get("OMP_NUM_THREADS")
    return {"processor": platform.machine(), "cores": usable_cores(), "OMP_NUM_THREADS": threads, "versions": versions}
