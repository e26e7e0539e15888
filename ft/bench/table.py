"""Timings -> ratios, shares of the machine's peak, the accuracy check, and the table that a person reads."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ft.bench.runs import Plan, Timing

HEAD = {"torch": "textbook-torch", "tf": "textbook-keras"}  # what a run that trains a head is compared to
WHOLE = {"torch": "reference-torch", "tf": "textbook-keras-whole"}  # and one that trains the whole network
TRAINING_COST = 3  # a step's backward pass costs about two forward passes, where all of the network trains
FIGURES = {  # of a timing -> of a row
    "seconds": "seconds",
    "warm_seconds": "warm_seconds",
    "rate": "images_per_second",
    "top1": "top1",
    "memory": "memory",
}
COLUMNS = ("run", "cold s", "warm s", "ratio", "warm", "images/s", "of peak", "top1", "MB")


def rows_of(timings: Sequence[Timing], peak: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row for each run: the medians of its timings, in "spread" the least and the most, in "repeats" all.

    ratio: how many times faster than its peer, in whole processes, cold and warm, median by median. peak: FLOP/s by
    type, and forward_flops, the operations of an image's forward pass; may be empty.
    """
    medians, rows = medians_of(timings), []
    for name, median in medians.items():
        repeats = [figures_of(timing) for timing in timings if timing.plan.name == name]
        spread = {figure: spread_of([repeat[figure] for repeat in repeats]) for figure in repeats[0]}
        rows.append({**row_of(median, base_of(median.plan, medians), peak), "spread": spread, "repeats": repeats})
    return rows


def medians_of(timings: Sequence[Timing]) -> dict[str, Timing]:
    """Return for each run, by its name, the median of every figure; where one of its timings has none, None."""
    by_name: dict[str, list[Timing]] = {}
    for timing in timings:
        by_name.setdefault(timing.plan.name, []).append(timing)
    return {name: median_timing(of_run) for name, of_run in by_name.items()}


def median_timing(timings: Sequence[Timing]) -> Timing:
    """Return a run's timing with the median of every figure."""
    return replace(timings[0], **{field: median_of([getattr(one, field) for one in timings]) for field in FIGURES})


def median_of(values: Sequence[float | None]) -> float | None:
    """Return the median of some figures, None where one is missing."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) else None


def spread_of(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Return the least and the most of some figures, None where one is missing."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) == len(values) else None


def figures_of(timing: Timing) -> dict[str, Any]:
    """Return what is measured anew each time, under the names that a row has for it."""
    return {name: getattr(timing, field) for field, name in FIGURES.items()}


def base_of(plan: Plan, made: Mapping[str, Timing]) -> Timing | None:
    """Return the peer that trains the same in the same framework; else, where that was not made, PyTorch's."""
    peers = WHOLE if plan.whole else HEAD
    return made.get(peers[plan.backend]) or made.get(peers["torch"])


def row_of(timing: Timing, base: Timing | None, peak: Mapping[str, float]) -> dict[str, Any]:
    """Return the row of one run; base: the one that it is compared to, where that was made."""
    warm = timing.warm_seconds
    return {
        "run": timing.plan.name,
        "precision": timing.plan.precision,
        "seconds": timing.seconds,
        "warm_seconds": warm,
        "against": base.plan.name if base else None,
        "ratio": base.seconds / timing.seconds if base else None,
        "warm_ratio": base.seconds / warm if base and warm else None,
        "images_per_second": timing.rate,
        "share_of_peak": share_of_peak(timing, peak),
        "top1": timing.top1,
        "memory": timing.memory,
        "passes": timing.passes,
        "scaled": timing.scaled,
    }


def share_of_peak(timing: Timing, peak: Mapping[str, float]) -> float | None:
    """Return which share of the peak the last epoch reached; None where its images do not go through the network."""
    plan = timing.plan
    if plan.cached or plan.precision not in peak or "forward_flops" not in peak:
        return None
    operations = peak["forward_flops"] * (TRAINING_COST if plan.whole else 1)
    return timing.rate * operations / peak[plan.precision]


def accuracy_checks(timings: Sequence[Timing], *, val_images: int) -> list[dict[str, Any]]:
    """Compare the accuracy of each of this project's runs to the textbook's, which trains the same from the same.

    It passes where it is not lower by more than two standard errors of that many validation images.
    """
    medians = medians_of(timings)
    base = medians.get(HEAD["torch"])
    if base is None or base.top1 is None:
        return []
    allowed = 2 * math.sqrt(max(base.top1 * (1 - base.top1), 1 / val_images) / val_images)
    ours = [t for t in medians.values() if t.plan.program is None and not t.plan.whole and t.top1 is not None]
    return [
        {
            "run": t.plan.name,
            "top1": t.top1,
            "textbook": base.top1,
            "allowed": allowed,
            "passed": t.top1 >= base.top1 - allowed,
        }
        for t in ours
        if t.top1 is not None
    ]


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as aligned text: medians, the spread of each below it, and a note where one was scaled."""
    cells = [COLUMNS, *(line for row in rows for line in lines_of(row))]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    ]
    bases = " and ".join(dict.fromkeys(row["against"] for row in rows if row["against"]))
    made = max(len(row["repeats"]) for row in rows)
    notes = [f"medians of {made} runs, all in turn; below each its least and its most"] if made > 1 else []
    notes += [f"* scaled: {row['run']} did {row['scaled']}" for row in rows if row["scaled"]]
    notes += [f"ratio: whole processes, cold (warm) against {bases} cold"] if bases else []
    return "\n".join([*lines, *notes])


def lines_of(row: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the lines of one run: its medians, and where it was repeated the least and the most of each."""
    if len(row["repeats"]) == 1:
        return [cells_of(row)]
    bare = dict.fromkeys(("ratio", "warm_ratio", "share_of_peak", "scaled"))
    ends = [{name: ends and ends[i] for name, ends in row["spread"].items()} for i in range(2)]
    low, high = (cells_of({**row, **bare, **figures})[1:] for figures in ends)
    return [cells_of(row), ("", *("" if a == "-" else f"{a}-{b}" for a, b in zip(low, high, strict=True)))]


def cells_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line of the table."""

    def number(value: float | None, form: str) -> str:
        return "-" if value is None else form.format(value)

    return (
        row["run"],
        number(row["seconds"], "{:.1f}") + ("*" if row["scaled"] else ""),
        number(row["warm_seconds"], "{:.1f}"),
        number(row["ratio"], "{:.2f}"),
        number(row["warm_ratio"], "{:.2f}"),
        number(row["images_per_second"], "{:.1f}"),
        number(row["share_of_peak"], "{:.0%}"),
        number(row["top1"], "{:.3f}"),
        number(row["memory"] / 1e6, "{:.0f}"),
    )
