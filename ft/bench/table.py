"""Timings -> ratios, shares of the machine's peak, the accuracy check, and the table that a person reads."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ft.bench.runs import Plan, Timing

HEAD = {"torch": "textbook-torch", "tf": "textbook-keras"}  # what a run that trains a head is compared to
WHOLE = {"torch": "reference-torch", "tf": "textbook-keras-whole"}  # and one that trains the whole network
TRAINING_COST = 3  # a step's backward pass costs about two forward passes, where all of the network trains
COLUMNS = ("run", "cold s", "warm s", "ratio", "warm", "images/s", "of peak", "top1", "MB")


def rows_of(timings: Sequence[Timing], peak: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row for each run. ratio: how many times faster than its peer, in whole processes, cold and warm.

    peak: FLOP/s by type, and forward_flops, the operations of an image's forward pass; may be empty.
    """
    by_name = {timing.plan.name: timing for timing in timings}
    return [row_of(timing, base_of(timing.plan, by_name), peak) for timing in timings]


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
    base = next((t for t in timings if t.plan.name == HEAD["torch"] and t.top1 is not None), None)
    if base is None or base.top1 is None:
        return []
    allowed = 2 * math.sqrt(max(base.top1 * (1 - base.top1), 1 / val_images) / val_images)
    ours = [t for t in timings if t.plan.program is None and not t.plan.whole and t.top1 is not None]
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
    """Return the rows as aligned text, with a note for each figure that was scaled."""
    cells = [COLUMNS, *(cells_of(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    ]
    bases = " and ".join(dict.fromkeys(row["against"] for row in rows if row["against"]))
    notes = [f"* scaled: {row['run']} did {row['scaled']}" for row in rows if row["scaled"]]
    notes += [f"ratio: whole processes, cold (warm) against {bases} cold"] if bases else []
    return "\n".join([*lines, *notes])


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
