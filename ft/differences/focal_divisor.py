"""What the focal loss of a detector is divided by: each picture's objects, or the batch's."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.box_losses import ONE_STAGE, by_picture, loss_of, outputs_of, ways_apart
from ft.parity.trace import Trace

OWN, ALL = "divided by the objects' anchors of each picture", "divided by those of the whole batch"


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own outputs by what it divided the losses of RetinaNet or FCOS."""

    def find(trace: Trace, step: int) -> str | None:
        loss = loss_of(trace, step)
        for losses, counts in by_picture(outputs_of(trace, step)):
            ways = {OWN: (losses / np.maximum(counts, 1)).mean(), ALL: losses.sum() / max(counts.sum(), 1)}
            if way := next((words for words, value in ways.items() if evidence.same(np.array([value]), loss)), None):
                return way
        return None

    for row, words in ways_apart(evidence, ONE_STAGE, find):
        yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


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
