"""The best of scores of which several are equal: which of them, and in which order."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: what a detector decides is no layer's output."""
    yield from ()


ENTRY = Entry(
    name="top-k-ties",
    title="The best of equal scores",
    torch="torch.topk takes equal scores in no stated order; torch.sort(stable=True) takes the lower place first",
    tf="tf.math.top_k takes the lower place first",
    why="a partial sort is quicker where ties may fall as they like",
    shows="a detector proposes other boxes where scores are saturated or in bfloat16, and nothing before them differs",
    mend_torch="x.sort(stable=True, descending=True).indices[:k]",
    mend_tf="nothing to do",
    probe=probe,
)
