"""Keypoints out of heatmaps: the middle of a place, or its corner."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.found import found_alike


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether all keypoints of one side lie half a place of their heatmap before the other's."""
    for row, a, b, boxes in found_alike(evidence, "keypoints", "boxes"):
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
        half = 0.5 * (sides / np.ceil(sides))[:, None]
        for middle, corner, side in ((a, b, evidence.b), (b, a, evidence.a)):
            if evidence.same(middle - half, corner):
                words = f"{side.label} takes the corner of a heatmap's place, the other its middle"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


ENTRY = Entry(
    name="keypoint-offset",
    title="A keypoint in a heatmap: the middle of a place",
    torch="Keypoint R-CNN makes a heatmap as large as its box, bicubic, and takes the middle of the highest place: "
    "argmax + 0.5; in training a keypoint is the place in which it lies, on the far edge the last one",
    tf="ports take argmax / 56 * width of the small heatmap, without the half, or shift a quarter towards the second "
    "highest",
    why="a place of a heatmap is a square, whose corner is what argmax counts",
    shows="all keypoints lie too far to the upper left, by half a place: 2 pixels in a box of 200, which OKS of small "
    "parts sees",
    mend_torch="nothing to do; keypoints - 0.5 * size / 56 imitates it",
    mend_tf="(argmax + 0.5) * size / places + corner, once the heatmap is as large as its box",
    probe=probe,
)
