"""The geometry of a run's pictures: curves over epochs, the confusion matrix, the reliability diagram."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ft.metrics.calibration import BINS, Reliability
from ft.report.chart import Chart, Dot, Tick, linear_ticks, points
from ft.report.plots import Row, column, steps_per_epoch
from ft.tasks.task import Score, percent

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 34
STEPS_SHOWN = 300  # of the losses of single steps: a page of every step of a long run would be large
Line = tuple[str, str, Sequence[tuple[float, float]]]  # class on the page, what it is, its (epoch, value)


def losses_chart(rows: Sequence[Row], epochs: Sequence[Row]) -> Chart | None:
    """Return the losses of steps and epochs over epochs; None where none is finite."""
    steps = [row for row in rows if not row.get("epoch_end") and row.get("step")]
    thinned = steps[:: max(1, math.ceil(len(steps) / STEPS_SHOWN))]
    per_epoch = steps_per_epoch(steps, epochs)
    at = [row["step"] / per_epoch for row in thinned]
    each = [(x, y) for x, y in zip(at, column(thinned, "loss"), strict=True) if math.isfinite(y)]
    lines: list[Line] = [
        ("steps", "", each),
        ("train", "training loss", over_epochs(epochs, "loss")),
        ("val", "validation loss", over_epochs(epochs, "val_loss")),
        ("ema", "validation loss of the average", over_epochs(epochs, "ema_loss")),
    ]
    told = [y for _, name, places in lines if name for _, y in places]
    top = max(told, default=0) * 1.15  # the first steps of a fresh head would flatten everything else
    clipped = [(kind, name, [(x, min(y, top)) for x, y in places]) for kind, name, places in lines]
    return chart("Loss", clipped, epochs, lambda y: f"{y:.4g}")


def score_chart(epochs: Sequence[Row], score: Score) -> Chart | None:
    """Return the scores over epochs; None where none is known."""
    keys = (
        ("train", f"train_{score.metric}", f"training {score.word}"),
        ("val", score.metric, f"validation {score.word}"),
        ("ema", f"ema_{score.metric}", f"validation {score.word} of the average"),
    )
    lines = [(kind, name, [(x, score.scale * y) for x, y in over_epochs(epochs, key)]) for kind, key, name in keys]
    return chart(score.page, lines, epochs, lambda y: f"{y:.4g}")


def over_epochs(epochs: Sequence[Row], key: str) -> list[tuple[float, float]]:
    """Return (epoch, value) where the value is finite."""
    values = column(epochs, key)
    return [(row["epoch"], float(y)) for row, y in zip(epochs, values, strict=True) if math.isfinite(y)]


def chart(title: str, lines: Sequence[Line], epochs: Sequence[Row], label: Callable[[float], str]) -> Chart | None:
    """Return lines over epochs on linear axes, with a dot and its number at each epoch."""
    values = [y for _, _, places in lines for _, y in places]
    if not values:
        return None
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    last = max([row["epoch"] for row in epochs], default=1)

    def x(epoch: float) -> float:
        return LEFT + epoch / last * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - 8 - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP - 16)

    every = max(1, math.ceil(last / 10))
    return Chart(
        title=title,
        words=f"{title} by epoch. "
        + "; ".join(line_words(name, places, label) for _, name, places in lines if name and places),
        x_ticks=tuple(Tick(x(epoch), str(epoch)) for epoch in range(0, last + 1, every)),
        y_ticks=tuple(Tick(y(value), f"{value:.4g}") for value in linear_ticks(low, high)),
        dots=tuple(
            Dot(x(at), y(value), kind, 3.2, f"epoch {at:g}: {name} {label(value)}")
            for kind, name, places in lines
            if name
            for at, value in places
        ),
        lines=tuple((kind, points((x(a), y(b)) for a, b in places)) for kind, _, places in lines if places),
        frame=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        size=(WIDTH, HEIGHT),
    )


def line_words(name: str, places: Sequence[tuple[float, float]], label: Callable[[float], str]) -> str:
    """Return how a line goes."""
    (first, start), (last, end) = places[0], places[-1]
    return f"{name}: {label(start)} at epoch {first:g}, {label(end)} at epoch {last:g}"


@dataclass(frozen=True)
class Cell:
    """One entry of the confusion matrix: row, column, images, and their share of the row."""

    row: int
    column: int
    count: int
    share: float

    @property
    def percent(self) -> str:
        """The share in whole percent; what is not quite nothing or all never reads as that."""
        rounded = round(100 * self.share)
        if rounded == 0:
            return "<1"
        return ">99" if rounded == 100 and self.share < 1 else str(rounded)


def confusion_words(confusion: np.ndarray, unit: str = "images") -> str:
    """Return what the matrix shows."""
    right, total = int(np.trace(confusion)), int(confusion.sum())
    return (
        f"Confusion matrix of {len(confusion)} classes: {right} of {total} {unit} are on its diagonal, which is right; "
        "the tables beside it have the others"
    )


def confusion_cells(confusion: np.ndarray) -> list[Cell]:
    """Return the entries that are not 0."""
    totals = np.maximum(confusion.sum(1), 1)
    places: Iterable[tuple[int, int]] = zip(*np.nonzero(confusion), strict=True)
    return [Cell(int(i), int(j), int(confusion[i, j]), float(confusion[i, j] / totals[i])) for i, j in places]


@dataclass(frozen=True)
class Bar:
    """One bin of the reliability diagram, in the unit square with the origin at the lower left."""

    left: float
    width: float
    accuracy: float
    confidence: float
    count: int
    share: float  # of the fullest bin


def reliability_bars(reliability: Reliability) -> list[Bar]:
    """Return the bins that hold an image."""
    most = max(int(reliability.count.max()), 1)
    rows = zip(reliability.accuracy, reliability.confidence, reliability.count, strict=True)
    return [
        Bar(i / BINS, 1 / BINS, float(a), float(c), int(n), n / most)
        for i, (a, c, n) in enumerate(rows)
        if n and math.isfinite(c)
    ]


def reliability_words(bars: Sequence[Bar], unit: str = "image") -> str:
    """Return what the diagram shows."""
    each = (f"{percent(bar.confidence)} said, {percent(bar.accuracy)} right, {bar.count} {unit}s" for bar in bars)
    return "Reliability diagram: " + "; ".join(each)
