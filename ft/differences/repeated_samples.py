"""An evaluation in parts: with some samples twice, so that the parts are even, or with each once."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: a trace is of one process, which sees each sample once."""
    return iter(())


ENTRY = Entry(
    name="repeated-samples",
    title="Several processes: samples that are evaluated twice",
    torch="DistributedSampler repeats the first samples until every process has as many, or with drop_last drops some",
    tf="tf.data's shard(n, i) gives each process every n-th sample, some one more than others",
    why="DistributedDataParallel hangs where one process has a batch more than another",
    shows="accuracies that depend on the number of processes, by up to one sample a process",
    mend_torch="indices[rank::world_size] without padding, and metrics as sums and counts of all",
    mend_tf="as it is, with metrics as sums and counts of all",
    probe=probe,
)
