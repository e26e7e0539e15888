"""The mean of the losses: over the samples that there are, over a fixed batch size, or no mean but the sum."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.objective import find_objective


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own logits, labels and gradient by what it divided its loss."""
    for row in evidence.verdict.rows:
        if row.phase == "loss" and row.differs and row.step is not None:
            objectives = [find_objective(evidence, trace, row.step) for trace in evidence.traces]
            a, b = objectives
            if a is None or b is None or a.weights or b.weights:
                continue
            if abs(a.divisor - b.divisor) > evidence.close * max(a.divisor, b.divisor):
                count = len(evidence.a.arrays(row.step, "batch")["labels"])
                divisors = [f"{t.label} by {o.divisor:.6g}" for t, o in zip(evidence.traces, (a, b), strict=True)]
                detail = f"the sum over {count} samples is divided: {', '.join(divisors)}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


ENTRY = Entry(
    name="loss-mean",
    title="The mean of the losses, and a short last batch",
    torch='CrossEntropyLoss() divides by the number of samples in the batch; reduction="sum" does not divide',
    tf='keras.losses divide by the number of samples too (reduction="sum_over_batch_size"); loops for tf.distribute '
    "divide by the global batch size, tf.nn.compute_average_loss(losses, global_batch_size=32), short batches included",
    why="with a fixed divisor the gradients of several replicas can simply be added up",
    shows="in a last batch of n samples loss and gradients are n / 32 of the other side's; the weights follow",
    mend_torch='F.cross_entropy(z, y, reduction="sum") / 32, to divide by a fixed batch size',
    mend_tf="tf.reduce_mean(losses), or drop_remainder=True so that no batch is short",
    probe=probe,
)
