"""COCO's JSON -> its listing, of a file or a folder that masks/coco.py takes, too: `bbox` is x, y, width and height.

Asked for masks, what each object's is drawn by is its `segmentation`; keypoints are its `keypoints`, whose names are
those of its category, and its `area` is what they are measured by.
Of several files of a split, instances goes first. The classes are the categories in the order of their numbers. Crowds
are set aside.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ft.data.sources.box import Marks, as_floats
from ft.data.sources.boxes.listing import Boxed, BoxListing, Drawn, braced
from ft.data.sources.listing import Inside
from ft.data.sources.masks.coco import files_in, folders_for, home_of, is_json, locate, read_annotations
from ft.errors import DataError, listed, printable
from ft.system.reading import shortened

FIRST = ("instances", "")
POINTED = ("person_keypoints", "keypoints", "")


def list_coco(root: Path, *, outside: bool = False, marks: Marks = "") -> BoxListing:
    """List a file of COCO's JSON, or the files of a folder. marks: what the objects have beside their boxes."""
    files = [("", root)] if is_json(root) else list(files_in(root, POINTED if marks == "keypoints" else FIRST))
    inside = Inside(home_of(root) if is_json(root) else root, outside=outside)
    items: list[Boxed] = []
    known: dict[int, str] | None = None
    keypoints: tuple[str, ...] | None = None
    joined: tuple[tuple[int, int], ...] | None = None
    for split, path in files:
        content = read_annotations(path)
        categories = {c["id"]: c["name"].strip() for c in sorted(content["categories"], key=lambda c: c["id"])}
        if known not in (None, categories):
            raise DataError(f"{printable(path)}: other categories than {printable(files[0][1])}; give both the same")
        known, names = categories, names_of(content, path) if marks == "keypoints" else ()
        if keypoints not in (None, names):
            raise DataError(f"{printable(path)}: other keypoints than {printable(files[0][1])}; give both the same")
        keypoints, joined = names, skeleton_of(content) if names else None
        items += [replace(item, keypoints=names) for item in items_of(content, path, split, categories, inside, marks)]
    if not known:
        raise DataError(f"{printable(root)}: no categories; name at least one")
    notes = [f"boxes of {listed((printable(path.name) for _, path in files), 3)}"]
    names = tuple(dict.fromkeys(known.values()))
    numbers = {name: number for number, name in reversed(known.items())}  # of two of one name the first
    more: dict[str, Any] = {
        "keypoints": keypoints or (),
        "skeleton": joined,
        "numbers": tuple(numbers[name] for name in names),
    }
    return BoxListing(root.resolve().stem, items, names, notes, **more)


def names_of(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return the names of the keypoints, which all categories that have some must share."""
    named = {c["name"]: c["keypoints"] for c in content["categories"] if c.get("keypoints")}
    for name, keypoints in named.items():
        if not isinstance(keypoints, list) or not all(isinstance(keypoint, str) for keypoint in keypoints):
            told = f"keypoints of '{printable(name)}'; expected a list of their names"
            raise DataError(f"{printable(path)}: {told}")
    own = {tuple(keypoints): name for name, keypoints in named.items()}
    if not own:
        raise DataError(f"{printable(path)}: no category names keypoints; write them as COCO does, or train for boxes")
    if len(own) > 1:
        told = listed(map(printable, own.values()))
        raise DataError(f"{printable(path)}: {told} have other keypoints each; train on one of them at a time")
    return next(iter(own))


def skeleton_of(content: Mapping[str, Any]) -> tuple[tuple[int, int], ...] | None:
    """Return which keypoints are joined, from 1 on, None where no category says that."""
    rows = next((c["skeleton"] for c in content["categories"] if isinstance(c.get("skeleton"), list)), [])
    pairs = [pair for pair in rows if isinstance(pair, list) and len(pair) == 2 and all(type(k) is int for k in pair)]
    return tuple((a, b) for a, b in pairs) or None


def items_of(
    content: Mapping[str, Any],
    path: Path,
    split: str,
    categories: Mapping[int, str],
    inside: Inside,
    marks: Marks = "",
) -> list[Boxed]:
    """Return the images of one file with their boxes."""
    home, where = inside.root, braced(printable(path)) + " annotations[{}]"
    drawn: defaultdict[int, list[Drawn]] = defaultdict(list)
    known = {image["id"] for image in content["images"]}
    for i, annotation in enumerate(content["annotations"]):
        if annotation["image_id"] not in known:
            told = f"image {annotation['image_id']} is not among the images; add it there, or remove the annotation"
            raise DataError(f"{where.format(i)}: {told}")
        box = box_of(annotation, i, categories, where)
        if marks == "keypoints":
            box = box._replace(points=annotation.get("keypoints"), area=annotation.get("area"))
        drawn[annotation["image_id"]].append(
            box._replace(shape=annotation.get("segmentation") or None) if marks == "masks" else box
        )
    places = [path.parent, path.parent / "images", *(home / f for f in folders_for(path, split)), home / "images", home]
    items: dict[str, Boxed] = {}
    for image in content["images"]:
        source = locate(image["file_name"], places, inside, path)
        name = source.resolve().relative_to(home).as_posix() if source.resolve().is_relative_to(home) else str(source)
        if name in items:
            raise DataError(f"{printable(path)}: '{printable(name)}' is listed twice; keep one of the two")
        boxes, size = tuple(drawn[image["id"]]), (image["height"], image["width"])
        items[name] = Boxed(split, name, source, boxes, where, "sides", stated=size, marks=marks)
    return list(items.values())


def box_of(annotation: Mapping[str, Any], place: int, categories: Mapping[int, str], where: str) -> Drawn:
    """Return the box of an annotation; DataError where it has none."""
    values = as_floats(annotation.get("bbox"))
    if values is None or len(values) != 4:
        shown = shortened(str(annotation.get("bbox")))
        raise DataError(f"{where.format(place)}: bbox {shown}; expected four numbers, x, y, width and height")
    number = annotation.get("category_id")
    if type(number) is not int or number not in categories:
        told = f"category {printable(number)} is not among the categories; add it there"
        raise DataError(f"{where.format(place)}: {told}")
    x, y, width, height = values
    return Drawn(place, (x, y, width, height), categories[number], bool(annotation.get("iscrowd")))
