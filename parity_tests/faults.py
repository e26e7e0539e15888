"""Faults to plant into one wing of a pair: the same network traced twice, once with something wrong."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ft import backend
from ft.backend import Learner
from ft.differences import Evidence, Finding, diagnose
from ft.trace import Trace, TraceBatch, write_trace
from ft.verdict import Verdict, compare_traces
from parity_tests.pairs import CLASSES, Case, batch, learners

Plant = Callable[[dict[str, Learner], np.random.Generator], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue, planted: `plant` changes one wing inside its context, at a place drawn from `rng`."""

    entry: str
    case: Case
    plant: Plant
    steps: int = 1


def diagnosis(fault: Fault, folder: Path, *, seed: int, size: int = 32) -> tuple[Verdict, list[Finding]]:
    """Plant a fault, trace both wings, and return the verdict and what the catalogue makes of it."""
    pair, rng = learners(fault.case, seed=seed), np.random.default_rng(seed)
    with fault.plant(pair, rng):
        return examine(pair, folder, seed=seed, steps=fault.steps, size=size)


def examine(
    pair: dict[str, Learner], folder: Path, *, seed: int, steps: int, size: int
) -> tuple[Verdict, list[Finding]]:
    """Trace both wings over the same batches and compare."""
    batches = [TraceBatch(*batch(seed + step, size=size), np.float64(0.001)) for step in range(steps)]
    facts = {"dtype": "float64", "recipe": {}, "data": "drawn", "classes": CLASSES}
    for name, learner in pair.items():
        write_trace(folder / name, learner, backend.load(name), batches, {"backend": name, **facts}, update=True)
    a, b = (Trace(folder / name) for name in pair)
    verdict = compare_traces(a, b)
    return verdict, diagnose(Evidence(a, b, verdict))
