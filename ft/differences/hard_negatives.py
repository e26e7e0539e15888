"""SSD's hard negatives: three for each object of a picture, or of the whole batch."""

from collections.abc import Iterator
from functools import partial

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.box_losses import ONE_STAGE, first_that_fits, ways_apart, with_negatives

WAYS = {
    "the hardest of each picture": partial(with_negatives, of_batch=False),
    "the hardest of the batch": partial(with_negatives, of_batch=True),
}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own outputs which boxes of background its loss has."""
    for row, words in ways_apart(evidence, ONE_STAGE, first_that_fits(evidence, WAYS)):
        yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


ENTRY = Entry(
    name="hard-negatives",
    title="SSD's hard negatives: of a picture, or of the batch",
    torch="torchvision takes of each picture three times as many boxes of background as it has of objects, those with "
    "the largest loss; a picture without objects teaches nothing",
    tf="ports in Keras, ssd_keras among them, take three times as many as the batch has, from wherever the losses are "
    "largest; the object detection API drops overlapping ones before",
    why="a top-k over the flattened batch is one operation, and with large batches hardly another thing",
    shows="pictures without objects are learnt from on one side alone; the loss differs most with small batches",
    mend_torch="losses.flatten().topk(3 * objects.sum()), to imitate them",
    mend_tf="tf.math.top_k by row, the places beyond a picture's own count masked out; ties by the lower place",
    probe=probe,
)
