"""Which samples a process of several reads: its part, or all of them again."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: a trace is of one process, which reads the whole batch."""
    return iter(())


ENTRY = Entry(
    name="autoshard",
    title="Several processes: who reads which samples",
    torch="a DataLoader reads everything in each process unless it is given a DistributedSampler",
    tf="experimental_distribute_dataset shards by file, by sample where there are fewer files than workers, or not at "
    "all, with one warning among many: then every worker reads the same samples",
    why="a pipeline is a graph of functions, which tells neither what they read nor in which order",
    shows="an epoch has as many times the samples as there are workers, every gradient counts each of them so often",
    mend_torch="a sampler of the process's part of each batch",
    mend_tf="AutoShardPolicy.OFF, and shard(num_workers, index) by hand",
    probe=probe,
)
