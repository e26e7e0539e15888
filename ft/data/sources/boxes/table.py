"""A CSV with a line a box -> its listing: image,x1,y1,x2,y2,label[,split], paths relative to its folder.

What the four numbers are say the names of their columns, in any case and in any order:

    x1,y1,x2,y2          or xmin,ymin,xmax,ymax, or left,top,right,bottom: corners
    x,y,width,height     or x,y,w,h: a corner and the sides
    cx,cy,width,height   or x_center,y_center,width,height: the centre and the sides

Where no number of the file is above 1 they are shares of the image's width and height, else pixels. A line whose cells
of box and label are empty is an image without a box.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ft.data.sources.box import Form
from ft.data.sources.boxes.listing import Boxed, BoxListing, Drawn, braced
from ft.data.sources.listing import SPLITS, Inside
from ft.data.sources.manifest import HEADER, ROLES, check_path, read_rows
from ft.errors import DataError, printable
from ft.system.reading import shortened

FORMS: tuple[tuple[Form, tuple[str, ...]], ...] = (
    ("corners", ("x1", "y1", "x2", "y2")),
    ("corners", ("xmin", "ymin", "xmax", "ymax")),
    ("corners", ("x_min", "y_min", "x_max", "y_max")),
    ("corners", ("left", "top", "right", "bottom")),
    ("sides", ("x", "y", "width", "height")),
    ("sides", ("x", "y", "w", "h")),
    ("centre", ("cx", "cy", "width", "height")),
    ("centre", ("cx", "cy", "w", "h")),
    ("centre", ("x_center", "y_center", "width", "height")),
)
NAMES, LABELS = (*dict(ROLES)["path"], "image_id"), (*dict(ROLES)["label"], "class_name", "name")


def form_of(header: Sequence[str]) -> tuple[Form, list[int]] | None:
    """Return what four columns of a header are, and which; None where they are no box."""
    folded = [name.lower() for name in header]
    for form, names in FORMS:
        if set(names) <= set(folded):
            return form, [folded.index(name) for name in names]
    return None


def is_table_of_boxes(path: Path) -> bool:
    """Say whether the header of a CSV has the columns of a box."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return form_of([cell.strip().strip('"') for cell in file.readline(HEADER).split(",")]) is not None
    except (OSError, UnicodeDecodeError):
        return False


def list_box_table(path: Path, *, outside: bool = False, missing: bool = False) -> BoxListing:
    """List a CSV. Every complaint says its line. missing: files that do not exist are listed all the same."""
    header, rows = read_rows(path)
    folded, recognised = [name.lower() for name in header], form_of(header)
    image, label, split = (
        next((folded.index(n) for n in ns if n in folded), None) for ns in (NAMES, LABELS, ["split"])
    )
    if recognised is None or image is None or label is None:
        raise DataError(
            f"{printable(path)} line 1: the header is '{shortened(','.join(header), 200)}'; expected "
            "image,x1,y1,x2,y2,label or image,x1,y1,x2,y2,label,split with commas between"
        )
    (form, places), inside, absent = recognised, Inside(path.parent, outside=outside), [] if missing else None
    items: dict[str, Boxed] = {}
    told = braced(printable(path)) + " line {}"
    for line, row in rows:
        where = f"{printable(path)} line {line}"
        name = check_path(row[image], path.parent, where, inside, absent)
        word = split_of(row[split], where) if split is not None else ""
        boxes = box_of([row[i] for i in places], row[label], line, where)
        item = items.setdefault(name, Boxed(word, name, path.parent / name, (), told, form))
        if item.split != word:
            raise DataError(f"{where}: '{printable(name)}' is in {item.split} above, here in {word}; give it one split")
        items[name] = replace(item, boxes=item.boxes + boxes)
    values = [value for item in items.values() for box in item.boxes for value in box.values]
    if shares := bool(values) and max(values) <= 1:
        items = {name: replace(item, shares=True) for name, item in items.items()}
    notes = ["no number of a box is above 1, so they are shares of width and height"] if shares else []
    return BoxListing(path.stem, list(items.values()), None, notes)


def split_of(word: str, where: str) -> str:
    """Return the split that a cell names."""
    if word.lower() not in SPLITS:
        raise DataError(f"{where}: split '{printable(word)}'; expected train, val or test")
    return SPLITS[word.lower()]


def box_of(cells: Sequence[str], label: str, line: int, where: str) -> tuple[Drawn, ...]:
    """Return the box of a line; none where all cells are empty."""
    if not label and not any(cells):
        return ()
    try:
        a, b, c, d = map(float, cells)
    except ValueError:
        told = f"box {printable(','.join(cells))[:60]}; expected four numbers, or no box and no label"
        raise DataError(f"{where}: {told}") from None
    if not label:
        raise DataError(f"{where}: blank label; say the class of the box")
    return (Drawn(line, (a, b, c, d), label),)
