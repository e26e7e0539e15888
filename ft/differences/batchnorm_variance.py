"""PyTorch keeps the unbiased variance of a batch in running_var, Keras the biased one."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.replay import share
from ft.parity.trace import Trace


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Ask of every running_var that differs which variance each side added to it."""
    for row in evidence.verdict.rows:
        if row.differs and row.phase == "statistics" and row.name.endswith(".running_var"):
            kinds = [kept_variance(evidence, trace, row.step or 0, row.name) for trace in evidence.traces]
            if set(kinds) == {"biased", "unbiased"}:
                detail = f"{evidence.a.label} keeps the {kinds[0]} variance, {evidence.b.label} the {kinds[1]} one"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def kept_variance(evidence: Evidence, trace: Trace, step: int, name: str) -> str | None:
    """Return "biased" or "unbiased", whichever variance of its own inputs a side moved its running_var towards.

    None where both explain it, as where inputs hardly vary.
    """
    path = name.removesuffix(".running_var")
    if path not in trace.calls["forward"]:
        return None
    x = evidence.side(trace, step, "forward", path).inputs[0]
    before, after = evidence.weights(trace, step)[name], trace.arrays(step, "statistics")[name]
    count, biased = x.size // x.shape[1], x.var(axis=tuple(axis for axis in range(x.ndim) if axis != 1))
    if count < 2 or biased.shape != after.shape or distance(before, after) <= evidence.close:
        return None  # it did not move: inference mode
    kinds = {"biased": biased, "unbiased": biased * count / (count - 1)}
    moved = {kind: before + share(before, v, after) * (v - before) for kind, v in kinds.items()}
    fits = [kind for kind, own in moved.items() if distance(own, after) <= evidence.close]
    return fits[0] if len(fits) == 1 else None


ENTRY = Entry(
    name="batchnorm-variance",
    title="BatchNorm: which variance running_var keeps",
    torch="moves running_var towards the unbiased variance of the batch, the sum of squares over n - 1",
    tf="moves moving_variance towards the biased variance, the sum of squares over n",
    why="both normalise the batch by the biased variance; PyTorch wants running_var to estimate the population's",
    shows="training losses are equal, evaluation is not: running_var is off by n / (n - 1), 5 % at n = 20",
    mend_torch="in a subclass, scale what running_var takes by (n - 1) / n",
    mend_tf="in a subclass, scale what moving_variance takes by n / (n - 1), as ft_tf.layers.BatchNorm2d does",
    probe=probe,
)
