"""Faults to plant into one wing of a pair: the same network traced twice, once with something wrong."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ft.backend import contract as backend
from ft.backend.contract import Learner
from ft.data import Batch
from ft.differences import Evidence, Finding, diagnose
from ft.parity.trace import Trace, TraceBatch, write_trace
from ft.parity.verdict import Verdict, compare_traces
from ft.zoo import find_card
from parity_tests.support.detectors import boxes_batch, pointed_batch
from parity_tests.support.pairs import CLASSES, Case, batch, learners, masks_batch
from parity_tests.support.small_pair import SMALL, small_learners

Feed = Mapping[str, Callable[[TraceBatch], TraceBatch]]  # what a wing gets instead of a batch, by the wing's name
Plant = Callable[[dict[str, Learner], np.random.Generator], AbstractContextManager[Feed | None]]


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue, planted: `plant` changes one wing inside its context, at a place drawn from `rng`.

    A fault of the data yields what it does to a wing's batches. case: a network of the zoo, or SMALL with its fields;
    rates: the learning rates, taken in turn.
    """

    entry: str
    case: Case
    plant: Plant
    steps: int = 1
    rates: tuple[float, ...] = (0.001,)


def diagnosis(fault: Fault, folder: Path, *, seed: int, size: int = 32) -> tuple[Verdict, list[Finding]]:
    """Plant a fault, trace both wings, and return the verdict and what the catalogue makes of it."""
    pair, rng = pair_of(fault.case, seed=seed), np.random.default_rng(seed)
    with fault.plant(pair, rng) as feed:
        given = {"drawing": drawing_of(fault.case), "feed": feed or {}, "rates": fault.rates}
        return examine(pair, folder, seed=seed, steps=fault.steps, size=size, **given)


def pair_of(case: Case, *, seed: int) -> dict[str, Learner]:
    """Return the learners of a network of the zoo, or of the small pair."""
    return small_learners(seed=seed, **case.fields) if case.model == SMALL.model else learners(case, seed=seed)


def drawing_of(case: Case) -> Callable[..., Batch]:
    """Return what draws the batches of a case."""
    task = "" if case.model == SMALL.model else find_card(case.model).task
    return {"segmentation": masks_batch, "detection": drawn_boxes, "keypoints": drawn_points}.get(task, batch)


def drawn_boxes(seed: int, *, size: int) -> Batch:
    """Return pictures with boxes of all classes but the last."""
    return boxes_batch(seed, count=2, classes=CLASSES - 1, sides=(size, size))


def drawn_points(seed: int, *, size: int) -> Batch:
    """Return the same with the keypoints that COCO has."""
    return pointed_batch(seed, 17, count=2, classes=CLASSES - 1, sides=(size, size))


def examine(
    pair: dict[str, Learner],
    folder: Path,
    *,
    seed: int,
    steps: int,
    size: int,
    drawing: Callable[..., Batch] = batch,
    feed: Feed = MappingProxyType({}),
    rates: tuple[float, ...] = (0.001,),
) -> tuple[Verdict, list[Finding]]:
    """Trace both wings over the same batches, but for what `feed` does to them, and compare."""
    a, b = traced(pair, folder, seed=seed, steps=steps, size=size, drawing=drawing, feed=feed, rates=rates)
    verdict = compare_traces(a, b)
    return verdict, diagnose(Evidence(a, b, verdict))


def traced(
    pair: Mapping[str, Learner],
    folder: Path,
    *,
    seed: int,
    steps: int,
    size: int = 32,
    drawing: Callable[..., Batch] = batch,
    feed: Feed = MappingProxyType({}),
    rates: tuple[float, ...] = (0.001,),
) -> list[Trace]:
    """Trace learners, by the name of their wing, over the same batches, but for what `feed` does to them."""
    batches = []
    for step in range(steps):
        drawn = drawing(seed + step, size=size)
        lr = np.float64(rates[step % len(rates)])
        batches.append(TraceBatch({"images": np.asarray(drawn.inputs)}, drawn.targets, lr))
    facts = {"dtype": "float64", "recipe": {}, "data": "drawn", "classes": [str(k) for k in range(CLASSES)]}
    for name, learner in pair.items():
        given = [feed[name](each) for each in batches] if name in feed else batches
        write_trace(folder / name, learner, backend.load(name), given, {"backend": name, **facts}, update=True)
    return [Trace(folder / name) for name in pair]
