"""COCO's JSON -> its listing: polygons and run lengths, drawn into masks, or panoptic PNGs.

    FILE.json                                              images beside it or in images/; a share is held out
    annotations/*train*.json  annotations/*val*.json       given splits; images in train2017/ or train/, and so on
    annotations/*.json                                     one for all, as above
    train/_annotations.coco.json  valid/_annotations...    given splits; images beside each

A file in a folder annotations/ that holds nothing but JSON has its images above that, as COCO's own have.

Of several files of a split, panoptic goes first, then instances. The classes are the categories in the order of their
numbers. Polygons lie on a background, which is class 0; panoptic pixels without a segment are ignored, as crowds are.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ft.data.sources.beside import read_beside
from ft.data.sources.listing import SPLITS, Inside
from ft.data.sources.mask import IGNORED, Coding, Drawing
from ft.data.sources.masks.legend import require_few
from ft.data.sources.masks.pairs import MaskListing, Pair
from ft.data.sources.masks.panoptic import Segments
from ft.data.sources.masks.polygons import Shapes
from ft.errors import DataError, listed, printable

BACKGROUND = "background"
FIRST = ("panoptic", "instances", "")
SPLIT_WORDS = ("train", "val", "test")
LARGEST = 1 << 32  # bytes of a file: the largest that is published has 2.6 GB
COLOURS = 1 << 24  # of a PNG, each the number of a segment


def is_coco(root: Path) -> bool:
    """Say whether a path is a JSON file, or a folder with such files where COCO has them."""
    return is_json(root) or any(True for _ in files_in(root))


def is_json(path: Path) -> bool:
    """Say whether a path is a file of JSON by its name."""
    return path.suffix.lower() == ".json" and path.is_file()


def files_in(root: Path, first: Sequence[str] = FIRST) -> Iterator[tuple[str, Path]]:
    """Yield the split and the file of annotations of each split that a folder has. first: how the best ones begin."""
    paths = sorted(p for p in (root / "annotations").glob("*.json") if p.is_file())
    for split in SPLIT_WORDS:
        own = [p for p in paths if split in p.stem.lower()]
        best = next((p for word in first for p in own if p.name.startswith(word)), None)
        if best:
            yield split, best
    if not any(split in p.stem.lower() for split in SPLIT_WORDS for p in paths):
        best = next((p for word in first for p in paths if p.name.startswith(word) and (word or len(paths) == 1)), None)
        yield from [("", best)] if best else []
    if not paths:
        beside = sorted(p for p in root.glob("*/_annotations.coco.json") if p.parent.name.lower() in SPLITS)
        yield from ((SPLITS[p.parent.name.lower()], p) for p in beside)


def home_of(file: Path) -> Path:
    """Return the folder of a data set by its file: the one above annotations/, where that holds nothing but JSON."""
    folder = file.absolute().parent
    alone = folder.name.lower() == "annotations" and all(path.suffix.lower() == ".json" for path in folder.iterdir())
    return folder.parent if alone else file.parent


def list_coco(root: Path, *, outside: bool = False) -> MaskListing:
    """List a file of COCO's JSON, or the files of a folder."""
    files = [("", root)] if is_json(root) else list(files_in(root))
    home = home_of(root) if is_json(root) else root
    inside = Inside(home, outside=outside)
    pairs: list[Pair] = []
    known: tuple[tuple[int, str], ...] | None = None
    for split, path in files:
        content = read_annotations(path)
        categories = tuple(sorted((c["id"], c["name"].strip()) for c in content["categories"]))
        if known not in (None, categories):
            raise DataError(f"{printable(path)}: other categories than {printable(files[0][1])}; give both the same")
        known = categories
        pairs += pairs_of(content, path, split, numbered(categories, is_panoptic(content)), inside)
    names = class_names(known or (), any(isinstance(pair.drawing, Segments) for pair in pairs))
    require_few(len(names), printable(root))
    coding = Coding({k: k for k in range(len(names))} | {IGNORED: IGNORED})
    what = "panoptic masks" if pairs and isinstance(pairs[0].drawing, Segments) else "shapes"
    notes = [f"{what} of {listed((printable(path.name) for _, path in files), 3)}"]
    return MaskListing(root.resolve().stem, pairs, names, coding, notes)


def is_panoptic(content: Mapping[str, Any]) -> bool:
    """Say whether annotations are panoptic."""
    return any("segments_info" in annotation for annotation in content["annotations"][:1])


def class_names(categories: Sequence[tuple[int, str]], panoptic: bool) -> tuple[str, ...]:
    """Return the classes: the background, where shapes lie on one, and the categories in the order of their numbers."""
    return tuple(dict.fromkeys([*([] if panoptic else [BACKGROUND]), *(name for _, name in categories)]))


def numbered(categories: Sequence[tuple[int, str]], panoptic: bool) -> dict[int, int]:
    """Return number of a category -> class number."""
    names = class_names(categories, panoptic)
    require_few(len(names), "categories")
    return {number: names.index(name) for number, name in categories}


def read_annotations(path: Path) -> dict[str, Any]:
    """Return the parsed file, whose lists of images, annotations and categories have what is read of them."""
    where = printable(path)
    try:
        content = json.loads(read_beside(path, most=LARGEST))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); export it again") from None
    needs = {
        "images": {"id": int, "file_name": str, "height": int, "width": int},
        "annotations": {"image_id": int},
        "categories": {"id": int, "name": str},
    }
    for key, fields in needs.items():
        rows = content.get(key) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DataError(f"{where}: no list of {key}; expected COCO's JSON with images, annotations and categories")
        for i, row in enumerate(rows):
            odd = next((f for f, t in fields.items() if not isinstance(row, dict) or type(row.get(f)) is not t), None)
            if odd:
                raise DataError(f"{where}: {key}[{i}] has no {odd} as COCO writes it; export it again")
    for key in ("images", "categories"):
        places: dict[int, int] = {}
        for i, row in enumerate(content[key]):
            if places.setdefault(row["id"], i) != i:
                raise DataError(
                    f"{where}: {key}[{i}] has the id {row['id']} of {key}[{places[row['id']]}]; renumber it"
                )
    for i, row in enumerate(content["annotations"]):
        if row.get("iscrowd") not in (None, 0, 1):
            raise DataError(f"{where}: annotations[{i}]: iscrowd {printable(row['iscrowd'])[:20]}; expected 0 or 1")
    return content


def pairs_of(
    content: Mapping[str, Any], path: Path, split: str, classes: Mapping[int, int], inside: Inside
) -> list[Pair]:
    """Return the images of one file with what is drawn for each."""
    annotations: defaultdict[int, list[Any]] = defaultdict(list)
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    home = inside.root
    places = [path.parent, path.parent / "images", *(home / f for f in folders_for(path, split)), home / "images", home]
    pairs: list[Pair] = []
    seen: set[str] = set()
    for image in content["images"]:
        source = locate(image["file_name"], places, inside, path)
        name = source.resolve().relative_to(home).as_posix() if source.resolve().is_relative_to(home) else str(source)
        if name in seen:
            raise DataError(f"{printable(path)}: '{printable(name)}' is listed twice; keep one of the two")
        seen.add(name)
        mask, drawing = drawn(image, annotations[image["id"]], path, is_panoptic(content), classes, inside)
        pairs.append(Pair(split, name, source, mask, drawing))
    return pairs


def folders_for(path: Path, split: str) -> list[str]:
    """Return the folders that may hold the images of a file such as annotations/instances_train2017.json."""
    last = path.stem.rpartition("_")[2]
    return [name for name in (last, split, f"images/{last}", f"images/{split}") if name]


def locate(name: str, places: Sequence[Path], inside: Inside, path: Path) -> Path:
    """Return the first file of that name in the places, or where it was expected."""
    if "\0" in name or (not inside.outside and (Path(name).is_absolute() or ".." in Path(name).parts)):
        raise DataError(f"{printable(path)}: '{printable(name)}' leaves the data; use names without .., relative to it")
    file = next((place / name for place in places if inside.holds(place / name)), None)
    if file is None:
        looked = listed((printable(place) for place in dict.fromkeys(places)), 3)
        raise DataError(f"{printable(path)}: '{printable(name)}' is in none of {looked}; put the images there")
    return file


def drawn(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    path: Path,
    panoptic: bool,
    classes: Mapping[int, int],
    inside: Inside,
) -> tuple[str, Drawing | None]:
    """Return the name of an image's mask and what it is drawn by; panoptic images may lack theirs."""
    where = f"{printable(path)}, image {image['id']}"
    if not panoptic:
        shapes = [(value_of(a, classes, where), a.get("segmentation") or []) for a in annotations]
        height, width = image["height"], image["width"]
        return f"{path.name}#{image['id']}", Shapes(where, height, width, shapes)
    name = annotations[0].get("file_name") if annotations else None
    folders = [path.with_suffix(""), path.parent, path.parent.parent / path.stem]
    if not isinstance(name, str):
        return f"{path.stem}/{Path(image['file_name']).stem}.png", None
    png = locate(name, folders, inside, path)
    segments, found = {}, annotations[0].get("segments_info", [])
    for segment in found if isinstance(found, list) else [found]:
        number = segment.get("id") if isinstance(segment, dict) else None
        if type(number) is not int or not 0 <= number < COLOURS:
            raise DataError(f"{where}: a segment without a number that a colour can say; export it again")
        segments[segment["id"]] = value_of(segment, classes, where)
    return f"{path.stem}/{name}", Segments(png, segments)


def value_of(annotation: Mapping[str, Any], classes: Mapping[int, int], where: str) -> int:
    """Return the class of an annotation or a segment, IGNORED for a crowd."""
    if annotation.get("iscrowd"):
        return IGNORED
    number = annotation.get("category_id")
    if type(number) is not int or number not in classes:
        raise DataError(f"{where}: category {printable(number)} is not among the categories; add it there")
    return classes[number]
