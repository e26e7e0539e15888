"""The curves of a run as a picture: loss on the left, the task's score on the right, both over epochs."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ft.errors import printable
from ft.system import files
from ft.tasks.task import Score, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAIN, VAL, INK, FAINT = "#1f5fa8", "#d9730d", "#333333", "#d8d8d8"
NAMED = 40  # classes up to which the confusion matrix has names
Row = Mapping[str, Any]


def plot_curves(log: Sequence[Row], epochs: Sequence[Row], path: Path, *, task: Task, title: str = "") -> None:
    """Draw the losses of each update and the losses and scores of each epoch into the PNG `path`.

    log: rows with step and loss; epochs: rows with epoch and step, and what is known of loss, val_loss and the task's
    score. Values that are missing, null, NaN or infinite leave a gap.
    """
    figure = new_figure(11, 4.2)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr]
    loss, score = figure.subplots(1, 2)
    draw_loss(loss, [row for row in log if not row.get("epoch_end")], epochs, task)
    draw_score(score, epochs, task.score)
    for axes in (loss, score):
        finish(axes, max((row["epoch"] for row in epochs), default=1))
    if title:
        figure.suptitle(printable(title), color=INK, fontsize=13, parse_math=False)
    write_png(figure, path)


def plot_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix into the PNG `path`: up to 40 classes as named cells, else every confusion as a dot."""
    side = 2.6 + 0.27 * len(classes) if len(classes) <= NAMED else 7.5
    figure = new_figure(side, side)
    axes = figure.subplots()
    if len(classes) <= NAMED:
        draw_cells(axes, confusion, [shortened(printable(name)) for name in classes])
    else:
        draw_dots(axes, confusion)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    write_png(figure, path)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty white figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # the object API: pyplot would keep global state and pick a display

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def write_png(figure: "Figure", path: Path) -> None:
    """Write a figure into the PNG `path`, the same bytes for the same figure."""
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    files.write_bytes(path, png.getvalue())


def draw_cells(axes: Any, confusion: np.ndarray, names: Sequence[str]) -> None:
    """Draw each row in shares of its class, with the names of the classes."""
    shares = shares_of(confusion)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(names))
    axes.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8, parse_math=False)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    for i, j in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if shares[i, j] > 0.5 else INK
        axes.text(j, i, confusion[i, j], ha="center", va="center", fontsize=7, color=colour)


def shares_of(confusion: np.ndarray) -> np.ndarray:
    """Return each row in shares of its class."""
    return confusion / np.maximum(confusion.sum(1, keepdims=True), 1)


def draw_dots(axes: Any, confusion: np.ndarray) -> None:
    """Draw right answers as a line of blue dots, confusions as orange ones, larger and darker the more of a class."""
    rows, columns = np.nonzero(confusion)
    shares, right = shares_of(confusion)[rows, columns], rows == columns
    axes.scatter(columns[right], rows[right], s=2, color=TRAIN, linewidths=0)
    wrong = shares[~right] / shares[~right].max(initial=1e-9)
    axes.scatter(columns[~right], rows[~right], s=1 + 24 * wrong**2, color=VAL, alpha=0.2 + 0.8 * wrong, linewidths=0)
    axes.set_xlim(-1, len(confusion))
    axes.set_ylim(len(confusion), -1)
    axes.set_aspect("equal")
    axes.set_title("classes by number; a dot above or below the line is a confusion", fontsize=9, color=INK)


def shortened(name: str) -> str:
    """Return a name of at most 22 characters: long ones often differ at their end."""
    return name if len(name) <= 22 else f"{name[:12]}…{name[-9:]}"


def draw_loss(axes: Any, log: Sequence[Row], epochs: Sequence[Row], task: Task) -> None:
    """Draw the train loss of every update faintly, and both losses of every epoch at its end."""
    per_epoch = steps_per_epoch(log, epochs)
    axes.plot(
        [row["step"] / per_epoch for row in log],
        column(log, "loss"),
        color=TRAIN,
        alpha=0.28,
        linewidth=0.9,
        label="train, each step",
    )
    draw_epochs(axes, epochs, "loss", color=TRAIN, label="train, epoch mean")
    draw_epochs(axes, epochs, "val_loss", color=VAL, label="validation")
    axes.set_title("Loss")
    axes.set_ylabel(task.loss_axis)


def draw_score(axes: Any, epochs: Sequence[Row], score: Score) -> None:
    """Draw the score of every epoch; five points of air keep noise from filling the panel where it is in percent."""
    draw_epochs(axes, epochs, f"train_{score.metric}", color=TRAIN, label="train, in its steps", scale=score.scale)
    draw_epochs(axes, epochs, score.metric, color=VAL, label="validation", scale=score.scale)
    shown = np.concatenate([line.get_ydata() for line in axes.lines] or [np.array([np.nan])])
    if score.scale == 100 and np.isfinite(shown).any():
        axes.set_ylim(max(-1, np.nanmin(shown) - 5), min(101, np.nanmax(shown) + 5))
    axes.set_title(score.heading)
    axes.set_ylabel(score.axis)


def draw_epochs(axes: Any, epochs: Sequence[Row], key: str, *, color: str, label: str, scale: float = 1) -> None:
    """Draw one value of every epoch, with markers while they are few; nothing where no epoch has a finite one."""
    values = scale * column(epochs, key)
    if np.isfinite(values).any():
        marker = "o" if len(epochs) <= 40 else None
        axes.plot(
            [row["epoch"] for row in epochs],
            values,
            color=color,
            label=label,
            linewidth=1.8,
            marker=marker,
            markersize=4.5,
        )


def finish(axes: Any, last_epoch: int) -> None:
    """Give the axes their range, grid, legend and quiet frame, or say that there is nothing to see."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, last_epoch * 1.02)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        axes.legend(frameon=False)
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", color=INK)


def column(rows: Sequence[Row], key: str) -> np.ndarray:
    """Return one value of every row, float64; what is missing or null is NaN."""
    return np.array([row.get(key) for row in rows], np.float64)


def steps_per_epoch(log: Sequence[Row], epochs: Sequence[Row]) -> float:
    """Return how many updates make an epoch; before the first epoch ends, those that were done count as one."""
    if epochs:
        return epochs[-1]["step"] / epochs[-1]["epoch"]
    return max((row["step"] for row in log), default=1)
