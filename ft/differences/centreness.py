"""FCOS: what a score is made of, class and nearness to the middle."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.found import found_alike


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether the scores of one side are the squares of the other's, of the same boxes."""
    for row, a, b in found_alike(evidence, "scores"):
        for root, product, side in ((a, b, evidence.b), (b, a, evidence.a)):
            if evidence.same(root**2, product):
                words = f"{side.label}'s scores are the squares of the other's"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)
                break


ENTRY = Entry(
    name="centreness",
    title="FCOS's scores: the product, or its root",
    torch="a score is the root of the class's probability times the centreness, and from 0.2 on it counts; the "
    "centreness is said by the regression's tower",
    tf="ports by the paper multiply both, some with the centreness in the classification's tower",
    why="the paper multiplies; its authors' code took the root, which keeps the order within a picture and makes "
    "scores readable",
    shows="the same boxes in the same order with lower scores: a threshold leaves out other ones, and calibration is "
    "another",
    mend_torch="nothing to do; scores ** 2 imitates the product",
    mend_tf="tf.sqrt(classes * centreness), thresholds squared",
    probe=probe,
)
