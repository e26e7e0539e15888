"""The ratios of a benchmark as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.report.plots import FAINT, INK, TRAIN, VAL, new_figure, write_png


def plot_rows(rows: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw the seconds of each run, cold and warm, with its ratio, into the PNG `path`."""
    figure = new_figure(8, 1.2 + 0.42 * len(rows))
    axes, places = figure.subplots(), range(len(rows))
    cold = [row["seconds"] for row in rows]
    low, high = zip(*(row["spread"]["seconds"] for row in rows), strict=True)
    spread = np.subtract(cold, low), np.subtract(high, cold)
    axes.barh(places, cold, xerr=spread, ecolor=INK, height=0.62, color=FAINT, label="cold: median, least to most")
    warm = [(i, row["warm_seconds"]) for i, row in enumerate(rows) if row["warm_seconds"]]
    if warm:
        axes.barh(*zip(*warm, strict=True), height=0.3, color=TRAIN, label="warm: caches full")
    for i, row in enumerate(rows):
        ratio = "" if row["ratio"] is None else f"  {row['ratio']:.2f}x"
        axes.text(row["seconds"], i, f"{ratio}{' scaled' if row['scaled'] else ''}", va="center", color=VAL, fontsize=9)
    axes.set_yticks(places, [row["run"] for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set_xlabel("seconds from start to trained network")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.suptitle(title, color=INK, fontsize=12, parse_math=False)
    write_png(figure, path)
