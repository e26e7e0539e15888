"""Pascal VOC's XML -> its listing: a file for each image, of the image's name.

    JPEGImages/...  Annotations/...  ImageSets/Main/{train,val,test}.txt   the lists are the splits, if they are there
    images/...      annotations/...                                        the same without lists
    a.jpg  a.xml                                                           side by side, as LabelImg writes them
    train/...  val/...  test/...                                           any of these in folders of given splits
    SegmentationObject/...                                                 PNGs, pixels are the numbers of the objects

Asked for masks, the images are those of ImageSets/Segmentation, or all that have a file in SegmentationObject.

Pascal's pixels count from 1 and xmax is the last one of the box, so x1 is xmin - 1. Where any xmin or ymin is 0 they
count from 0, and all are taken as they stand. What is marked as difficult is set aside. An image without a file is
left out: a file without an object says that there is no box.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from ft.data.sources.boxes.listing import UNTOLD, Boxed, BoxListing, Drawn, braced
from ft.data.sources.boxes.xml import read_xml
from ft.data.sources.folder import HIDDEN, NO_FILE, Walk
from ft.data.sources.listing import SPLITS, UNLABELLED_TEST, Inside, note
from ft.data.sources.masks.folder import by_stem, folders_of, homes_in
from ft.data.sources.masks.voc import read_lists
from ft.errors import DataError, printable

LISTS, MASKED = "ImageSets/Main", "ImageSets/Segmentation"
OBJECTS = "SegmentationObject"
WITHOUT = f"images without a file in {OBJECTS}"
EDGES = ("xmin", "ymin", "xmax", "ymax")
MEANT = f"Pascal VOC writes {', '.join(EDGES)}"
DIGITS = 10  # of a side: no picture has so many


def is_voc(root: Path) -> bool:
    """Say whether a folder has Pascal VOC's files of boxes."""
    return any(True for _ in homes_of(root))


def homes_of(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield the split, "" for none, the folder of images and that of XML files, wherever both are."""
    for images in ("jpegimages", "images"):
        annotated = [home for home in homes_in(root, "annotations", images) if any(home[2].glob("*.xml"))]
        if annotated:
            yield from annotated
            return
    folders = {name: path for name, path in sorted(folders_of(root).items()) if name in SPLITS}
    homes = [("", root), *((SPLITS[name], path) for name, path in folders.items())]
    yield from ((split, path, path) for split, path in homes if any(path.glob("*.xml")))


def has_objects(root: Path) -> bool:
    """Say whether a folder has files that say which pixels are of which object."""
    return (root / OBJECTS).is_dir()


def list_voc(root: Path, *, outside: bool = False, masked: bool = False) -> BoxListing:
    """List a folder of images and XML files. masked: those alone whose objects have masks."""
    walk = Walk(root, Inside(root, outside=outside))
    items: list[Boxed] = []
    lists = (read_lists(root / MASKED, walk.inside) if masked else {}) or read_lists(root / LISTS, walk.inside)
    numbers = by_stem(root / OBJECTS, walk) if has_objects(root) else {}
    for split, images, files in homes_of(root):
        items += items_in(images, files, split, lists, numbers, walk)
    if masked:
        items = list(with_masks(items, walk))
    notes, zero = [], any(min(box.values[:2]) == 0 for item in items for box in item.boxes)
    if zero:
        notes.append("xmin or ymin is 0 somewhere, so pixels count from 0")
    else:
        items = [replace(item, boxes=tuple(map(from_one, item.boxes))) for item in items]
    hidden = len(walk.skipped.pop(HIDDEN, ()))
    notes += [line for reason, names in walk.skipped.items() for line in note(reason, names)]
    return BoxListing(root.resolve().name, items, None, notes, dict(walk.skipped), hidden)


def with_masks(items: Sequence[Boxed], walk: Walk) -> Iterator[Boxed]:
    """Yield the images whose objects have masks, and those without an object."""
    for item in items:
        if item.boxes and item.numbered is None and isinstance(item.source, Path):
            walk.skip(WITHOUT, item.source)
        else:
            yield replace(item, marks="masks")


def from_one(box: Drawn) -> Drawn:
    """Return a box of Pascal's pixels, which count from 1, by its edges."""
    xmin, ymin, xmax, ymax = box.values
    return box._replace(values=(xmin - 1, ymin - 1, xmax, ymax))


def items_in(
    images: Path, files: Path, split: str, lists: Mapping[str, str], numbers: Mapping[str, Path], walk: Walk
) -> list[Boxed]:
    """Return the images of one folder with the boxes of the files of another. numbers: files of objects by stem."""
    pictures = by_stem(images, walk)
    told = {path.relative_to(files).with_suffix("").as_posix(): path for path in find_xml(files, walk)}
    items = []
    for stem in lists or told:
        path, file = pictures.pop(stem, None), told.get(stem)
        if file is None and lists[stem] == "test" and path is not None:
            walk.skip(UNLABELLED_TEST, path)
            continue
        if path is None or file is None:
            there, lacks = (file, f"no image {stem}.* in") if file else (files / f"{stem}.xml", "no such file for")
            raise DataError(f"{printable(there)}: {lacks} {printable(images)}; put it there")
        name = path.relative_to(walk.root).as_posix()
        where = braced(printable(file)) + " object {}"
        boxes, stated = read_boxes(file)
        own = split or lists.get(stem, "")
        items.append(Boxed(own, name, path, boxes, where, stated=stated, numbered=numbers.get(stem), meant=MEANT))
    for path in () if lists else pictures.values():
        walk.skip(UNTOLD, path)
    return items


def find_xml(folder: Path, walk: Walk) -> list[Path]:
    """Return the XML files below a folder; links out of the data, pipes and the like are skipped."""
    paths = sorted(folder.rglob("*.xml"))
    for path in paths:
        if not walk.inside.holds(path):
            walk.skip(NO_FILE, path)
    return [path for path in paths if walk.inside.holds(path)]


def read_boxes(path: Path) -> tuple[tuple[Drawn, ...], tuple[int, int] | None]:
    """Return the boxes of a file, objects counted from 1, and the height and width that it states, if it does."""
    root = read_xml(path)
    boxes = []
    for i, thing in enumerate(root.iter("object"), 1):
        where = f"{printable(path)} object {i}"
        label = (thing.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{where}: no name; say its class")
        xmin, ymin, xmax, ymax = (number(thing.find("bndbox"), edge, where) for edge in EDGES)
        boxes.append(Drawn(i, (xmin, ymin, xmax, ymax), label, (thing.findtext("difficult") or "").strip() == "1"))
    size = root.find("size")
    sides = [(size.findtext(side) or "").strip() if size is not None else "" for side in ("height", "width")]
    stated = [int(side) for side in sides if side.isdecimal() and len(side) < DIGITS and int(side)]
    return tuple(boxes), (stated[0], stated[1]) if len(stated) == 2 else None


def number(box: Element | None, edge: str, where: str) -> float:
    """Return an edge of a box; DataError where it has none."""
    text = (box.findtext(edge) or "").strip() if box is not None else ""
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: {edge} '{printable(text)[:40]}'; expected a number in bndbox") from None
