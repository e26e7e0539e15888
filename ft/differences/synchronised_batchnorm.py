"""BatchNorm over several processes: from deviations, or from sums of squares."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: a trace is of one process, which sees the whole batch."""
    return iter(())


ENTRY = Entry(
    name="synchronised-batchnorm",
    title="BatchNorm over several processes: two formulas",
    torch="nn.SyncBatchNorm gathers each process's mean, deviation and count, and keeps the unbiased variance of all; "
    "it refuses to compute on a CPU",
    tf="keras.layers.BatchNormalization(synchronized=True) adds up x and x^2, takes E[x^2] - E[x]^2, cut off at 0, and "
    "keeps the biased variance",
    why="two sums go over the wire at once, deviations from a common mean only after it is known",
    shows="where the mean of a channel is large beside its spread the variance has few right digits, or is 0",
    mend_torch="sum x, then sum (x - mean)^2 over all processes, with torch.distributed.nn.functional.all_reduce",
    mend_tf="the same two sums with tf.distribute.get_replica_context().all_reduce, and n / (n - 1)",
    probe=probe,
)
