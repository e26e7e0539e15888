"""Several processes: the mean of their means, or the mean over the samples of all."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: a trace is of one process, which sees the whole batch."""
    return iter(())


ENTRY = Entry(
    name="mean-of-means",
    title="Several processes: the mean of their means",
    torch="DistributedDataParallel averages the gradients of the processes, each of the mean over its own part",
    tf="loops for tf.distribute divide by the global batch size, tf.nn.compute_average_loss(losses, "
    "global_batch_size=32), and add up",
    why="a mean of means needs no number from the other processes, and is the same where all parts are of one size",
    shows="gradients off by some percent wherever the parts are uneven: a last batch, class weights, pixels or tokens "
    "that are left out; the more processes, the more",
    mend_torch="loss = losses.sum() * world_size / samples_of_all, before backward()",
    mend_tf="as it is, with the samples of all replicas in place of a fixed batch size",
    probe=probe,
)
