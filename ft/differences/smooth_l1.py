"""Smooth L1 and Huber: another factor, another divisor."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: of the parts of a loss a trace holds the sum."""
    yield from ()


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
