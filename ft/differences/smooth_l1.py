"""Smooth L1 and Huber: another factor, another divisor."""

from collections.abc import Iterator
from functools import partial

from ft.differences.entry import Entry
from ft.network.boxes.coding import BETA
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.box_losses import TWO_STAGES, Outputs, first_that_fits, two_stages, ways_apart

FACTORS = {
    "smooth L1, the sum of four numbers": 1.0,
    "Huber's loss, the sum of four numbers": BETA,
    "smooth L1, the mean of four numbers": 1 / 4,
    "Huber's loss, the mean of four numbers": BETA / 4,
}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own outputs by which loss of boxes its sum is what it is; of two stages alone."""
    find = first_that_fits(evidence, {words: partial(summed, factor=factor) for words, factor in FACTORS.items()})
    for row, words in ways_apart(evidence, TWO_STAGES, find):
        yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


def summed(outputs: Outputs, *, factor: float) -> float:
    """Return the sum of the losses. factor: of those of boxes."""
    return sum(two_stages(outputs, factor=factor).values())


ENTRY = Entry(
    name="smooth-l1",
    title="The loss of boxes: smooth L1, or Huber",
    torch="smooth_l1_loss is Huber's divided by beta: 1/9 in two stages, a sum over what is an object divided by all "
    "that was drawn; SSD has beta 1 and divides the sum by the objects' boxes",
    tf="keras.losses.Huber(delta) is not divided by delta, and takes the mean over the four numbers and then over the "
    "rows",
    why="Huber's loss has the slope delta far out, smooth L1 the slope 1",
    shows="the loss of boxes is 9 times and 4 times smaller, against one of classes that is not: boxes are learnt "
    "slowly, classes are well",
    mend_torch="F.huber_loss(x, y, delta=beta, reduction='sum') / beta, the same by another name",
    mend_tf="keras.losses.huber(y, x, delta=beta) * 4 / beta, summed over objects and divided by what was drawn",
    probe=probe,
)
