"""Averages of weights: the decay of the moving average, and the mean of whole checkpoints.

    average = average + (1 - d) * (w - average)        after every update; average and w start equal

d is the recipe's `ema`, with `ema_warmup` at most (1 + t) / (10 + t) at update t = 0, 1, ...: the first steps, of which
there are few, would otherwise weigh nothing against the starting weights. BatchNorm's running statistics are averaged
like the parameters. ft_torch/average.py and ft_tf/average.py hold the step.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from ft.errors import RunError

STATISTICS = ("running_mean", "running_var")


def decay_at(decay: float, step: int, *, warmup: bool) -> float:
    """Return d of update number `step`, counted from 0."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


def is_averaged(name: str) -> bool:
    """Tell whether a buffer is averaged: BatchNorm's statistics are; counters and position tables are copied."""
    return name.rpartition(".")[2] in STATISTICS


def mean_of(checkpoints: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the mean of every tensor, summed in float64 and cast to its own type; whole numbers are the last one's.

    BatchNorm's statistics are averaged too, not measured anew. One checkpoint at a time is in memory beside the sum.
    """
    total: dict[str, np.ndarray] = {}
    count, last = 0, {}
    for last in checkpoints:
        count += 1
        for name, tensor in last.items():
            if np.issubdtype(tensor.dtype, np.floating):
                total[name] = total.get(name, 0.0) + tensor.astype(np.float64)
    if not count:
        raise RunError("no checkpoint is left to average")
    return {name: (total[name] / count).astype(t.dtype) if name in total else t for name, t in last.items()}
