"""Two finished runs of one recipe, side by side: how far apart are their losses, predictions and heads?

ft compare runs/a-torch-001 runs/a-tf-001
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RunError, listed, printable
from ft.parity.arrays import gap
from ft.runs.folder import read_log, read_result
from ft.system import files
from ft.system.names import MODEL, RESULT
from ft.tasks import task_in
from ft.tasks.task import Task, Told


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch in both runs; None: not measured, or not finite."""

    epoch: int
    loss_a: float | None
    loss_b: float | None
    val_loss_a: float | None
    val_loss_b: float | None
    score_a: float | None
    score_b: float | None


@dataclass(frozen=True)
class SideBySide:
    """What two runs of the same epochs on the same images have in common.

    names: of the two runs; score: the metric of that name; largest_loss_difference: over the train and val losses of
    all epochs, infinite where only one of two is finite; equal_predictions: share of the `compared_images` with the
    same predicted class, or set of labels; largest_head_difference: over all elements of the head's tensors.
    """

    names: tuple[str, str]
    score: str
    epochs: tuple[Epoch, ...]
    largest_loss_difference: float
    compared_images: int
    equal_predictions: float
    largest_head_difference: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values of JSON; what is not finite is None."""
        return files.plain(asdict(self))


def compare_runs(a: Path, b: Path) -> SideBySide:
    """Compare two finished runs. Raises RunError where their classes, epochs, val images or head tensors differ."""
    a, b = Path(a), Path(b)
    results = read_result(a), read_result(b)
    require_equal("tasks", a, b, *([task_in(result).name] for result in results))
    require_equal("classes", a, b, *(result.get("classes", []) for result in results))
    task = task_in(results[0])
    epochs = epoch_table(a, b, task)
    compared, equal = agreement(a, b, task)
    return SideBySide(
        names=(a.resolve().name, b.resolve().name) if a.resolve().name != b.resolve().name else (str(a), str(b)),
        score=task.score.metric,
        epochs=epochs,
        largest_loss_difference=loss_difference(epochs),
        compared_images=compared,
        equal_predictions=equal / max(compared, 1),
        largest_head_difference=head_difference(a, b, *results),
    )


def require_equal(what: str, a: Path, b: Path, of_a: Iterable[Any], of_b: Iterable[Any]) -> None:
    """Raise RunError that names the first items in which two lists differ."""
    of_a, of_b = list(of_a), list(of_b)
    if of_a == of_b:
        return
    place = next((i for i, (x, y) in enumerate(zip(of_a, of_b, strict=False)) if x != y), min(len(of_a), len(of_b)))
    here, there = (repr(items[place]) if place < len(items) else "nothing" for items in (of_a, of_b))
    raise RunError(
        f"the runs differ in their {what}: {a} has {len(of_a)}, {b} has {len(of_b)}, first difference {here} "
        f"against {there}; compare two runs of the same recipe and data"
    )


def epoch_table(a: Path, b: Path, task: Task) -> tuple[Epoch, ...]:
    """Return the epochs of both runs, row by row."""
    ends = [[row for row in read_log(folder) if row.get("epoch_end")] for folder in (a, b)]
    require_equal("epochs", a, b, *([row["epoch"] for row in rows] for rows in ends))
    keys = ("loss", "val_loss", task.score.metric)
    return tuple(
        Epoch(x["epoch"], *(row.get(key) for key in keys for row in (x, y))) for x, y in zip(*ends, strict=True)
    )


def loss_difference(epochs: Iterable[Epoch]) -> float:
    """Return how far apart the losses of two runs are, train or val; infinite where only one run has a finite one."""
    rows = [(row.loss_a, row.val_loss_a, row.loss_b, row.val_loss_b) for row in epochs]
    losses = np.array(rows, np.float64).reshape(-1, 4)  # None is NaN
    return gap(losses[:, :2], losses[:, 2:]).absolute


def agreement(a: Path, b: Path, task: Task) -> tuple[int, int]:
    """Return how many images both runs predicted, and for how many of them they say the same."""
    tables = [sorted(task.predictions.read(folder), key=by_name) for folder in (a, b)]
    require_equal("val images (name, label)", a, b, *([(row.name, row.label) for row in rows] for rows in tables))
    return len(tables[0]), sum(task.predictions.agree(x, y) for x, y in zip(*tables, strict=True))


def by_name(told: Told) -> tuple[str, Any]:
    """Return what identifies an image, so that the order of the files does not matter."""
    return told.name, told.label


def head_difference(a: Path, b: Path, result_a: dict[str, Any], result_b: dict[str, Any]) -> float:
    """Return the largest difference between two elements of the heads; infinite where NaN is in other places."""
    heads = head_tensors(a, result_a), head_tensors(b, result_b)
    require_equal("head tensors", a, b, *(sorted((name, x.shape) for name, x in head.items()) for head in heads))
    return max(gap(x, heads[1][name]).absolute for name, x in heads[0].items())


def head_tensors(folder: Path, result: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the tensors of a run's head: those named by the prefixes under "head" in model.json."""
    from ft.weights.read import read_weights

    prefixes = result.get("head")
    prefixes = [prefixes] if isinstance(prefixes, str) else prefixes or []
    head = {
        name: tensor
        for name, tensor in read_weights(folder / MODEL).items()
        if any(name == prefix or name.startswith(f"{prefix.rstrip('.')}.") for prefix in prefixes)
    }
    if not head:
        named = listed(prefixes) or f"{RESULT} names none"
        raise RunError(f"{folder / MODEL} has no tensor of the head ({named}); train the run again")
    return head


def render(result: SideBySide) -> str:
    """Return the comparison as text of at most 100 columns, for terminals, files and pipes alike."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("epoch", "loss A", "loss B", "val loss A", "val loss B", f"{result.score} A", f"{result.score} B"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.epochs:
        table.add_row(
            str(row.epoch),
            *(figure(x, 6) for x in (row.loss_a, row.loss_b, row.val_loss_a, row.val_loss_b)),
            figure(row.score_a, 4),
            figure(row.score_b, 4),
        )
    console = Console(
        width=100, file=StringIO(), color_system=None, force_terminal=False, highlight=False, markup=False
    )
    for letter, name in zip("AB", result.names, strict=True):
        console.print(f"{letter}  {printable(name)}", overflow="fold")
    console.print(table)
    for line in summary(result):
        console.print(line)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"  # type: ignore[attr-defined]


def summary(result: SideBySide) -> list[str]:
    """Return the three figures that two runs are judged by, as lines."""
    images = round(result.equal_predictions * result.compared_images)
    return [
        f"largest loss difference  {result.largest_loss_difference:.3g}",
        f"equal predictions        {images} of {result.compared_images} ({100 * result.equal_predictions:.2f} %)",
        f"largest head difference  {result.largest_head_difference:.3g}",
    ]


def figure(value: float | None, digits: int) -> str:
    """Return a number with so many decimals, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
