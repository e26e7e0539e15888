"""The four numbers of a box: corners or sides, x or y first, pixels or shares."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.boxes import FORMS, differing_boxes, turned_into


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's boxes are the other's in another form."""
    for row, a, b, size in differing_boxes(evidence):
        for x, y, side in ((a, b, evidence.b), (b, a, evidence.a)):
            name = next((form for form in FORMS if evidence.same(turned_into(x, form, size), y)), None)
            if name:
                detail = f"{side.label} has the other's boxes as {name}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)
                break


ENTRY = Entry(
    name="box-form",
    title="The four numbers of a box",
    torch="torchvision's detectors and operations take x1, y1, x2, y2 in pixels and look at no other form; COCO's "
    "files have x, y, width, height",
    tf="tf.image takes y1, x1, y2, x2, crop_and_resize in shares of the picture; TFDS gives those, too; KerasHub is "
    "told a format, xyxy or yxyx among them",
    why="each format came with a data set or an operation, and four numbers do not say which they are",
    shows="no error: boxes lie elsewhere or have negative sides, losses are large or not finite, and AP stays at 0",
    mend_torch="torchvision.ops.box_convert(boxes, 'xywh', 'xyxy'); here a column's name or the source says the form, "
    "and it is checked",
    mend_tf="tf.gather(boxes, [1, 0, 3, 2], axis=-1), times width and height where they are shares",
    probe=probe,
)
