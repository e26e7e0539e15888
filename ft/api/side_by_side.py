"""Two finished runs, side by side: what differs between their recipes, how far apart are losses, predictions and heads?

ft compare runs/a-torch-001 runs/a-tf-001
"""

from collections.abc import Iterable, Mapping
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
from ft.system.reading import shortened
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
class Setting:
    """A field that the recipes of two runs do not have alike."""

    field: str
    a: Any
    b: Any


@dataclass(frozen=True)
class SideBySide:
    """What two runs have in common, whatever their recipes and lengths.

    names: of the two runs; score: the metric of that name; recipes: the fields that differ; epochs: those that either
    run has; largest_loss_difference: over the train and val losses of the `common_epochs`, infinite where only one of
    two is finite; equal_predictions: share of the `compared_images`, those of both runs, with the same predicted class,
    or set of labels; largest_head_difference: over all elements of the head's tensors, None where these are not of the
    same shapes; one_ulp: A beside itself, trained again from weights moved by one ulp, where that was asked for.
    """

    names: tuple[str, str]
    score: str
    epochs: tuple[Epoch, ...]
    largest_loss_difference: float
    compared_images: int
    equal_predictions: float
    largest_head_difference: float | None
    recipes: tuple[Setting, ...] = ()
    common_epochs: int = 0
    images: tuple[int, int] = (0, 0)
    one_ulp: "SideBySide | None" = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values of JSON; what is not finite is None."""
        return files.plain(asdict(self))


def compare_runs(a: Path, b: Path) -> SideBySide:
    """Compare two finished runs. Raises RunError where their tasks or classes differ."""
    a, b = Path(a), Path(b)
    results = read_result(a), read_result(b)
    require_equal("tasks", a, b, *([task_in(result).name] for result in results))
    require_equal("classes", a, b, *(result.get("classes", []) for result in results))
    task = task_in(results[0])
    rows = epoch_rows(a), epoch_rows(b)
    epochs = epoch_table(*rows, task)
    common = rows[0].keys() & rows[1].keys()
    tables = predictions(a, task), predictions(b, task)
    both = [key for key in tables[0] if key in tables[1]]
    equal = sum(task.predictions.agree(tables[0][key], tables[1][key]) for key in both)
    return SideBySide(
        names=(a.resolve().name, b.resolve().name) if a.resolve().name != b.resolve().name else (str(a), str(b)),
        score=task.score.metric,
        epochs=epochs,
        largest_loss_difference=loss_difference(row for row in epochs if row.epoch in common),
        compared_images=len(both),
        equal_predictions=equal / max(len(both), 1),
        largest_head_difference=head_difference(a, b, *results),
        recipes=changed_settings(*results),
        common_epochs=len(common),
        images=(len(tables[0]), len(tables[1])),
    )


def changed_settings(a: dict[str, Any], b: dict[str, Any]) -> tuple[Setting, ...]:
    """Return the fields of the recipes that differ and decide what is computed; none where a run keeps no recipe."""
    from ft.recipe import FIELDS, deciding  # not at the top: it reads YAML

    x, y = ({**(result.get("recipe") or {})} for result in (a, b))
    if not x or not y:
        return ()
    own = deciding("machine", "title")
    names = [name for name in dict.fromkeys([*FIELDS, *x, *y]) if name not in own and x.get(name) != y.get(name)]
    return tuple(Setting(name, x.get(name), y.get(name)) for name in names)


def require_equal(what: str, a: Path, b: Path, of_a: Iterable[Any], of_b: Iterable[Any]) -> None:
    """Raise RunError that names the first items in which two lists differ."""
    of_a, of_b = list(of_a), list(of_b)
    if of_a == of_b:
        return
    place = next((i for i, (x, y) in enumerate(zip(of_a, of_b, strict=False)) if x != y), min(len(of_a), len(of_b)))
    here, there = (shortened(repr(items[place]), 200) if place < len(items) else "nothing" for items in (of_a, of_b))
    raise RunError(
        f"the runs differ in their {what}: {a} has {len(of_a)}, {b} has {len(of_b)}, first difference {here} "
        f"against {there}; compare two runs of the same recipe and data"
    )


def epoch_rows(folder: Path) -> dict[int, dict[str, Any]]:
    """Return what a run has logged at the end of each epoch."""
    return {row["epoch"]: row for row in read_log(folder) if row.get("epoch_end")}


def epoch_table(a: Mapping[int, Any], b: Mapping[int, Any], task: Task) -> tuple[Epoch, ...]:
    """Return the epochs of both runs, row by row; what a run has not, is None."""
    keys = ("loss", "val_loss", task.score.metric)
    return tuple(
        Epoch(epoch, *(side.get(epoch, {}).get(key) for key in keys for side in (a, b)))
        for epoch in sorted(a.keys() | b.keys())
    )


def loss_difference(epochs: Iterable[Epoch]) -> float:
    """Return how far apart the losses of two runs are, train or val; infinite where only one run has a finite one."""
    rows = [(row.loss_a, row.val_loss_a, row.loss_b, row.val_loss_b) for row in epochs]
    losses = np.array(rows, np.float64).reshape(-1, 4)  # None is NaN
    return gap(losses[:, :2], losses[:, 2:]).absolute


def predictions(folder: Path, task: Task) -> dict[tuple[str, Any], Told]:
    """Return what a run says of each image, by what identifies it: the order of the files does not matter."""
    return {by_name(told): told for told in task.predictions.read(folder)}


def by_name(told: Told) -> tuple[str, Any]:
    """Return what identifies an image: one that was labelled anew is another."""
    return told.name, str(told.label) if isinstance(told.label, dict) else told.label


def head_difference(a: Path, b: Path, result_a: dict[str, Any], result_b: dict[str, Any]) -> float | None:
    """Return the largest difference between two elements of the heads; infinite where NaN is in other places.

    None where the heads do not have the same tensors.
    """
    heads = head_tensors(a, result_a), head_tensors(b, result_b)
    if len({tuple(sorted((name, x.shape) for name, x in head.items())) for head in heads}) > 1:
        return None
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

    def table(*headings: str, right: bool) -> Table:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in headings:
            made.add_column(heading, justify="right" if right else "left", no_wrap=right, overflow="fold")
        return made

    console = Console(
        width=100, file=StringIO(), color_system=None, force_terminal=False, highlight=False, markup=False
    )
    for letter, name in zip("AB", result.names, strict=True):
        console.print(f"{letter}  {printable(name)}", overflow="fold")
    if result.recipes:
        settings = table("recipes differ in", "A", "B", right=False)
        for setting in result.recipes:
            settings.add_row(setting.field, words_of(setting.a), words_of(setting.b))
        console.print(settings)
    epochs = table(*headings(result), right=True)
    for row in result.epochs:
        epochs.add_row(*cells(row))
    console.print(epochs)
    if rows := apart_rows(result):
        by_epoch = table("epoch", "losses apart", "by one ulp", "val losses apart", "by one ulp", right=True)
        for row in rows:
            by_epoch.add_row(*row)
        console.print(by_epoch)
    for name, told in summary(result).items():
        console.print(f"{name:<23}  {told}")
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"  # type: ignore[attr-defined]


def headings(result: SideBySide) -> list[str]:
    """Return the headings of the table of epochs."""
    return ["epoch", *(f"{what} {side}" for what in ("loss", "val loss", result.score) for side in "AB")]


def cells(row: Epoch) -> list[str]:
    """Return a line of the table of epochs."""
    losses = (figure(x, 6) for x in (row.loss_a, row.loss_b, row.val_loss_a, row.val_loss_b))
    return [str(row.epoch), *losses, figure(row.score_a, 4), figure(row.score_b, 4)]


def summary(result: SideBySide) -> dict[str, str]:
    """Return the three figures that two runs are judged by, and over what they are taken where that is not all."""
    images, head = round(result.equal_predictions * result.compared_images), result.largest_head_difference
    epochs = len(result.epochs)
    partly = f", over the {result.common_epochs} of {epochs} epochs that both have"
    alone = [count - result.compared_images for count in result.images]
    others = f"; of one run only: {alone[0]} of A, {alone[1]} of B" if any(alone) else ""
    loss = f"{result.largest_loss_difference:.3g}" if result.common_epochs else "no epoch is in both"
    told = {
        "largest loss difference": loss + (partly if 0 < result.common_epochs < epochs else ""),
        "equal predictions": f"{images} of {result.compared_images} ({100 * result.equal_predictions:.2f} %){others}",
        "largest head difference": "the heads are not of the same shapes" if head is None else f"{head:.3g}",
    }
    return told if result.one_ulp is None else {**told, "one ulp in A's start": ulp_words(result, result.one_ulp)}


def ulp_words(result: SideBySide, moved: SideBySide) -> str:
    """Return what one ulp does to A alone, and whether B is further from it than a few times that."""
    from ft.parity.sensitivity import FEW

    pairs = [(result.largest_loss_difference, moved.largest_loss_difference)]
    pairs += [(result.largest_head_difference or 0, moved.largest_head_difference or 0)]
    pairs += [(1 - result.equal_predictions, 1 - moved.equal_predictions)]
    within = all(apart <= FEW * band for apart, band in pairs)
    figures = f"loss {pairs[0][1]:.3g}, head {pairs[1][1]:.3g}, equal predictions {100 * moved.equal_predictions:.2f} %"
    return f"{figures}; A and B are {'not ' if within else ''}further apart than {FEW} times that"


def apart_rows(result: SideBySide) -> list[list[str]]:
    """Return how far the losses of every epoch are apart, beside what one ulp does to A; none if not measured."""
    if result.one_ulp is None:
        return []
    moved = {row.epoch: row for row in result.one_ulp.epochs}
    pairs = [(row, moved[row.epoch]) for row in result.epochs if row.epoch in moved]
    return [[str(row.epoch), *(f"{x:.3g}" for x in apart_at(row, one))] for row, one in pairs]


def apart_at(row: Epoch, moved: Epoch) -> list[float]:
    """Return how far train and val losses are apart in an epoch, each beside what one ulp does; NaN where unknown."""
    losses = [(each.loss_a, each.loss_b) for each in (row, moved)]
    losses += [(each.val_loss_a, each.val_loss_b) for each in (row, moved)]
    return [float("nan") if a is None or b is None else abs(a - b) for a, b in losses]


def words_of(value: Any) -> str:
    """Return a setting as a recipe file says it."""
    if isinstance(value, (list, tuple)):
        return printable(", ".join(map(str, value)) or "none")
    return printable(str(value).lower() if value is None or isinstance(value, bool) else value)


def figure(value: float | None, digits: int) -> str:
    """Return a number with so many decimals, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
