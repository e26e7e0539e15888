"""Nesterov's momentum: one formula at a constant rate, but a flag that is easily set in one framework only."""

from collections.abc import Iterator
from math import isnan

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import sgd_pairs


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's updates look ahead by the same momentum that the other side has."""
    likely = None
    for pair in sgd_pairs(evidence):
        if pair.unlike & {"nesterov", "momentum"} == {"nesterov"}:
            certain = not (isnan(pair.a.momentum) or isnan(pair.b.momentum))
            who = evidence.a.label if pair.a.nesterov else evidence.b.label
            detail = f"{who} looks ahead, with momentum {(pair.a if pair.a.nesterov else pair.b).momentum:.4g}"
            row = pair.row
            finding = Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail, certain)
            if certain:
                yield finding
                return
            likely = likely or finding
    if likely:
        yield likely


ENTRY = Entry(
    name="nesterov",
    title="SGD with Nesterov's momentum: in one framework only",
    torch="nesterov=False by default; with it w -= lr * (g + momentum * buf), buf being the new buffer",
    tf="nesterov=False by default; with it w += momentum * v - lr * g, v being the new buffer: the same formula",
    why="no difference of meaning at a constant rate; a recipe that is carried over loses the flag",
    shows="the first update is 1 + momentum times as large, 1.9 times at 0.9, and training is a little quicker",
    mend_torch="torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True)",
    mend_tf="keras.optimizers.SGD(lr, momentum=0.9, nesterov=True)",
    probe=probe,
)
