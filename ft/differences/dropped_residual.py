"""A residual connection that one side leaves out."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance
from ft.parity.trace import Trace

SUM = "the sum"


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's sum is only one of its terms, or whether it has no such sum at all."""
    for layer in evidence.layers("add"):
        sums = [terms(evidence, side) for side in layer.sides]
        if None not in sums and SUM in sums and sums[0] != sums[1]:
            detail = f"{evidence.a.label} gives {sums[0]}, {evidence.b.label} {sums[1]}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)
    for whole, short in (evidence.traces, evidence.traces[::-1]):
        yield from left_out(evidence, whole, short)


def terms(evidence: Evidence, side: Side) -> str | None:
    """Return SUM where a side gives the sum of its inputs, else which of them it gives."""
    if len({x.shape for x in side.inputs}) != 1 or len(side.inputs) < 2:
        return None
    if evidence.same(sum(side.inputs[1:], start=side.inputs[0]), side.output):
        return SUM
    alone = [i for i, x in enumerate(side.inputs) if evidence.same(x, side.output)]
    return f"term {alone[0] + 1} of {len(side.inputs)} alone" if alone else None


def left_out(evidence: Evidence, whole: Trace, short: Trace) -> Iterator[Finding]:
    """Yield where a layer takes a sum on one side and a term of that sum on the other, which has no such sum."""
    for row in evidence.verdict.rows:
        if not row.differs or row.phase not in ("inference", "forward") or row.step not in (None, 0):
            continue
        calls, others = whole.calls[row.phase], short.calls[row.phase]
        if row.name not in calls or row.name not in others:
            continue
        for ours, theirs in zip(calls[row.name].inputs, others[row.name].inputs, strict=False):
            if not theirs or ours not in calls or ours in others or calls[ours].kind != "add":
                continue  # what no layer gave may be a sum as well
            if theirs in calls[ours].inputs:
                detail = f"{short.label} has no {ours} and goes on with {theirs}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


ENTRY = Entry(
    name="dropped-residual",
    title="A residual connection that one side lacks",
    torch="x = x + branch(x) stands in forward, where a forgotten line goes unnoticed",
    tf="Add()([x, branch(x)]) stands in the functional model, where a forgotten line goes unnoticed too",
    why="a sum has no weights: parameters pair up, counts agree and checkpoints load without it",
    shows="the network trains, a few points worse; a fresh one may even agree, where the branch's last gamma is 0",
    mend_torch="return x + self.branch(x)",
    mend_tf="x = keras.layers.Add()([x, branch(x)])",
    probe=probe,
)
