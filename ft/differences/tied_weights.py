"""A matrix that two layers share: held once in PyTorch, copied in Keras unless the layer is written for it."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.foreign.settings import ONE_WEIGHT
from ft.parity.verdict import SETTINGS


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Take what the pairing of two models has found: a weight that one has twice and the other once."""
    for row in evidence.verdict.rows:
        if row.phase == SETTINGS and row.fault.startswith(ONE_WEIGHT):
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, row.fault)


ENTRY = Entry(
    name="tied-weights",
    title="Tied weights: one matrix in two layers, or a copy",
    torch="head.weight = embedding.weight makes both layers hold one parameter: its gradient is the sum of both uses, "
    "it is counted and decayed once, and a state dict bears it under both names",
    tf="a Dense layer holds a kernel (in, out) of its own; set_weights copies the numbers, and from the first step on "
    "the two go apart",
    why="a Keras layer owns its variables and lays them out its own way; language models are trained with one matrix "
    "for the embeddings and the logits (Press and Wolf, 2016)",
    shows="equal outputs at the start, then the embeddings of words that do not occur stand still on one side; the "
    "network has vocabulary * width parameters more",
    mend_torch="head.weight = embedding.weight, after the weights are loaded",
    mend_tf="keras.ops.matmul(x, keras.ops.transpose(embedding.embeddings)), or keras.layers.ReversibleEmbedding",
    probe=probe,
)
