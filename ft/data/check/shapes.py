"""`ft data check` of the masks of objects: what a network for masks would refuse, or learn and should not."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ft.data.check.findings import Finding
from ft.data.sources.boxes.listing import Boxed
from ft.data.sources.boxes.outlines import as_coco, outline
from ft.data.sources.masks.polygons import covered

SLACK = 2.0  # pixels by which a mask may reach out of its box: its own are whole ones, a box's are often not
MISSING, UNDRAWN, EMPTY, OUTSIDE = "no mask", "mask", "empty mask", "mask outside"
TITLES = {
    MISSING: ("objects without a mask, where others have one", "draw them: a network for masks refuses these"),
    UNDRAWN: ("masks that cannot be drawn", "mend them: a network for masks refuses these"),
    EMPTY: ("masks that cover no pixel", "draw them again, or remove the objects: they teach that nothing is there"),
    OUTSIDE: (f"masks that reach out of their box by more than {SLACK:g} pixels", "correct the box or the mask"),
}


class Trouble(NamedTuple):
    """What is wrong with the mask of one object: the kind, and where with a few words."""

    kind: str
    told: str


def look_at_shapes(item: Boxed) -> tuple[Trouble, ...]:
    """Return what is wrong with the masks of an image that may have some; what is set aside may go without one."""
    found = []
    if item.marks != "masks":
        return ()
    for box, corners in zip(item.boxes, item.corners, strict=True):
        where = item.where.format(box.place)
        try:
            shape = item.shape_of(box)
            if not shape:
                found += [Trouble(MISSING, where)] * (not box.aside)
                continue
            trouble = trouble_of(shape, corners, item.header.height, item.header.width)
        except ValueError as error:
            trouble = Trouble(UNDRAWN, str(error))
        found += [Trouble(trouble.kind, f"{where}: {trouble.told}".removesuffix(": "))] if trouble else []
    return tuple(found)


def trouble_of(shape: object, corners: np.ndarray, height: int, width: int) -> Trouble | None:
    """Return what is wrong with one mask that has a box (4,); ValueError where it cannot be drawn."""
    mask = covered(as_coco(outline(shape, corners, height, width, aside=False)), height, width)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Trouble(EMPTY, "")
    first, last = np.array([columns[0], rows[0]]), np.array([columns[-1] + 1, rows[-1] + 1])
    beyond = float(max((corners[:2] - first).max(), (last - corners[2:]).max()))
    return Trouble(OUTSIDE, f"by {beyond:g} pixels") if beyond > SLACK else None


def find_shapes(looks: Sequence[tuple[str, tuple[Trouble, ...]]], boxes: int) -> Iterator[Finding]:
    """Yield what was found. looks: name and troubles of each image; boxes: how many there are in all."""
    for kind, (title, advice) in TITLES.items():
        items = tuple((name, trouble.told) for name, own in looks for trouble in own if trouble.kind == kind)
        if items and not (kind == MISSING and len(items) == boxes):
            yield Finding("warning", kind, title, advice, items)
