"""BatchNorm's momentum is the share of the new statistics in PyTorch, and the share of the old ones in Keras."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.batchnorm import normalising
from ft.parity.probes.replay import share
from ft.parity.trace import Trace


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Ask of every running_mean that differs how far each side moved it towards the mean of its own batch.

    And of a running_var where the mean is nothing but rounding, as behind a linear layer of what was normalised.
    """
    rows = [row for row in evidence.verdict.rows if row.differs and row.phase == "statistics"]
    told: set[tuple[int | None, str]] = set()
    for leaf, what, shares in (("running_mean", "mean", kept_share), ("running_var", "variance", kept_of_variance)):
        for row in (row for row in rows if row.name.endswith(f".{leaf}")):
            place = row.step, row.name.removesuffix(f".{leaf}")
            a, b = (shares(evidence, trace, row.step or 0, row.name) for trace in evidence.traces)
            if place not in told and a and b and abs(a - b) > 1e-3 * max(a, b):
                told.add(place)
                detail = f"{evidence.a.label} takes {a:.4g} of the batch's {what}, {evidence.b.label} {b:.4g}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def kept_of_variance(evidence: Evidence, trace: Trace, step: int, name: str) -> float | None:
    """Return the share of the batch's variance, of n or of n - 1, in a running variance after a step; else None."""
    path = name.removesuffix(".running_var")
    if path not in trace.calls["forward"] or (step == 0 and moved_in_inference(evidence, trace, path)):
        return None
    x = evidence.side(trace, step, "forward", path).inputs[0]
    before, after = evidence.weights(trace, step)[name], trace.arrays(step, "statistics")[name]
    count, biased = x.size // x.shape[1], x.var(axis=tuple(axis for axis in range(x.ndim) if axis != 1))
    if count < 2 or biased.shape != before.shape:
        return None
    for variance in (biased, biased * count / (count - 1)):
        new = share(before, variance, after)
        if new > 1e-6 and distance(before + new * (variance - before), after) <= evidence.close:
            return new
    return None


def kept_share(evidence: Evidence, trace: Trace, step: int, name: str) -> float | None:
    """Return the share of the batch's mean in a running mean after a step, None where it was not moved once by that.

    Not in inference mode, then, nor where the inference pass before the first step has moved it as well.
    """
    path = name.removesuffix(".running_mean")
    if path not in trace.calls["forward"] or (step == 0 and moved_in_inference(evidence, trace, path)):
        return None
    x = evidence.side(trace, step, "forward", path).inputs[0]
    mean = x.mean(axis=tuple(axis for axis in range(x.ndim) if axis != 1))
    before, after = evidence.weights(trace, step)[name], trace.arrays(step, "statistics")[name]
    if mean.shape != before.shape:
        return None
    new = share(before, mean, after)
    moved = distance(before + new * (mean - before), after) <= evidence.close
    return new if moved and new > 1e-6 else None


def moved_in_inference(evidence: Evidence, trace: Trace, path: str) -> bool:
    """Tell whether a BatchNorm used its batch's statistics, and so moved its running ones, in the inference pass."""
    if path not in trace.calls["inference"]:
        return False
    how = normalising(evidence.side(trace, None, "inference", path), close=evidence.close)
    return how is not None and how.mode == "batch"


ENTRY = Entry(
    name="batchnorm-momentum",
    title="BatchNorm: what momentum means",
    torch="momentum=0.1: the new running mean is 0.9 of the old one and 0.1 of the batch's",
    tf="momentum=0.99: the new moving_mean is 0.99 of the old one and 0.01 of the batch's",
    why="PyTorch names the share of the new value, Keras that of the old one; the defaults differ tenfold as well",
    shows="training losses are equal, evaluation is not: with the defaults Keras needs ten times as many steps to "
    "forget the statistics that it started from, with momentum=0.1 in both it forgets 0.9 of them at each step",
    mend_torch="torch.nn.BatchNorm2d(channels, momentum=0.01) for Keras's default of 0.99",
    mend_tf="keras.layers.BatchNormalization(momentum=0.9) for PyTorch's default of 0.1: one minus the other",
    probe=probe,
)
