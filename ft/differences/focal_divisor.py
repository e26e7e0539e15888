"""What the focal loss of a detector is divided by: each picture's objects, or the batch's."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: of the parts of a loss a trace holds the sum."""
    yield from ()


ENTRY = Entry(
    name="focal-divisor",
    title="A detector's focal loss: what it is divided by",
    torch="RetinaNet divides the sum of a picture by its anchors of objects and takes the mean of the pictures; FCOS "
    "divides by those of the whole batch",
    tf="KerasHub's RetinaNet divides by the anchors of objects of the whole batch, and is 0 without any; "
    "keras.losses.BinaryFocalCrossentropy alone takes the mean over all, and no alpha unless asked for",
    why="a sum needs a divisor, and papers name none for a batch",
    shows="the loss is another by a factor that changes with every batch: pictures with many objects weigh more on "
    "one side, the learning rate seems off",
    mend_torch="losses.sum() / objects.sum().clamp(min=1), for the whole batch",
    mend_tf="tf.reduce_mean(tf.reduce_sum(losses, [1, 2]) / tf.maximum(objects, 1))",
    probe=probe,
)
