"""A frozen BatchNorm goes on using and updating the batch's statistics in PyTorch; in Keras it is in inference mode."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.batchnorm import all_mixed, mixed_modes


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find the first BatchNorm whose sides use other statistics in a training step, unless the whole network does."""
    for layer, mode_a, mode_b in mixed_modes(evidence, phases=("forward",)):
        if not all_mixed(evidence, layer.step or 0):
            detail = f"{evidence.a.label} uses the {mode_a} statistics, {evidence.b.label} the {mode_b} ones"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)
        return


ENTRY = Entry(
    name="frozen-batchnorm",
    title="A frozen BatchNorm: which statistics it uses",
    torch="requires_grad=False freezes weight and bias only: in train mode the layer still normalises by the batch and "
    "moves its running statistics",
    tf="trainable=False also puts the layer in inference mode: it normalises by its moving statistics and keeps them",
    why="PyTorch keeps freezing and mode apart; Keras has joined them for this one layer, because people who freeze "
    "mean both",
    shows="the frozen base gives other features in training; in PyTorch its running statistics drift from the "
    "pretrained ones, and evaluation changes although nothing in the base is trained",
    mend_torch="base.eval() after every model.train()",
    mend_tf="nothing to do; to imitate PyTorch, layer.gamma.trainable = layer.beta.trainable = False and no "
    "layer.trainable = False",
    probe=probe,
)
