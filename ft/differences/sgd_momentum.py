"""Keras keeps the learning rate inside the momentum buffer, PyTorch outside."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import sgd_pairs


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's updates are those of a buffer with the rates in it, the other's of one without."""
    for pair in sgd_pairs(evidence):
        if "folded" in pair.unlike and "momentum" not in pair.unlike:
            words = ["inside" if rule.folded else "outside" for rule in (pair.a, pair.b)]
            detail = f"the rate is {words[0]} the buffer in {evidence.a.label}, {words[1]} it in {evidence.b.label}"
            yield Finding(ENTRY.name, pair.row.step, pair.row.phase, pair.row.name, pair.row.relative, detail)
            return


ENTRY = Entry(
    name="sgd-momentum",
    title="SGD's momentum: whether the learning rate is inside the buffer",
    torch="buf = momentum * buf + g; w -= lr * buf: a new rate counts for the whole buffer at once",
    tf="v = momentum * v - lr * g; w += v: the buffer goes on with the rates of the steps that filled it",
    why="both are in textbooks, and equal as long as the rate is constant; Sutskever's form has the rate inside",
    shows="equal until the schedule first changes the rate; after a drop by ten, at momentum 0.9, the next Keras "
    "update is nine times PyTorch's, and twenty steps later still twice as large",
    mend_torch="to imitate Keras, multiply every momentum_buffer by lr_before / lr when the rate changes",
    mend_tf="multiply every variable in optimizer.momentums by lr / lr_before when the rate changes",
    probe=probe,
)
