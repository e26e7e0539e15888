"""Weight decay is added to the gradient in PyTorch's SGD and Adam; Keras shrinks the weights beside the update."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import adam_pairs, sgd_pairs


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether the same decay goes through one side's momentum or scaling and past the other's."""
    for pair in (*sgd_pairs(evidence), *adam_pairs(evidence)):
        if "decoupled" in pair.unlike and not pair.unlike & {"decay", "momentum"}:
            words = ["beside it" if rule.decoupled else "in the gradient" for rule in (pair.a, pair.b)]
            detail = f"{pair.a.decay:.4g} is {words[0]} in {evidence.a.label}, {words[1]} in {evidence.b.label}"
            yield Finding(ENTRY.name, pair.row.step, pair.row.phase, pair.row.name, pair.row.relative, detail)
            return


ENTRY = Entry(
    name="weight-decay",
    title="Weight decay: in the gradient, or beside the update",
    torch="weight_decay adds weight_decay * w to the gradient in SGD and Adam, so it goes through momentum and through "
    "Adam's scaling; only AdamW shrinks the weights by themselves",
    tf="weight_decay shrinks the weights by lr * weight_decay * w in every optimizer, before and beside the update",
    why="the first is the gradient of an L2 term in the loss; the second decays all weights at one rate, whatever the "
    "gradients are (Loshchilov and Hutter, 2017)",
    shows="with SGD equal at the first step, then at momentum 0.9 PyTorch's decay grows to ten times Keras's; with "
    "Adam other weights from the first step on",
    mend_torch="torch.optim.AdamW, whose decay is Keras's; for SGD w.mul_(1 - lr * wd) and no weight_decay",
    mend_tf="gradients = [g + wd * w for g, w in zip(gradients, variables)], and an optimizer without weight_decay",
    probe=probe,
)
