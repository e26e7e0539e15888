"""YOLO's text files -> their listing: for each image a file of its name with a line a box, `class x y width height`.

    data.yaml                            train, val and test are folders of images, or lists of their paths; names
    images/...        labels/...         without it; classes.txt beside them names the classes, a line each
    images/train/...  labels/train/...   given splits
    train/images/...  train/labels/...   the same, the other way round

The values are shares of the image's width and height, x and y of the centre; of a polygon the box around it is taken.
Where data.yaml has a kpt_shape, K keypoints of 2 or 3 numbers follow the box: x, y and, of three, the visibility; of
two, one at 0, 0 or below is not marked. kpt_names names them, flip_idx says which is which in a mirror.
Labels lie where images do, with labels in the place of the last images of the path. An image without a file has no box.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ft.data.sources.beside import read_beside, read_lines
from ft.data.sources.boxes.listing import Boxed, BoxListing, Drawn, braced
from ft.data.sources.folder import HIDDEN, Walk, find_images
from ft.data.sources.listing import Inside, note
from ft.data.sources.masks.folder import homes_in
from ft.data.sources.masks.pairs import split_in
from ft.errors import DataError, first_line, listed, printable
from ft.recipe import PlainLoader
from ft.system.reading import shortened

IMAGES, LABELS = "images", "labels"
FILES = ("data.yaml", "data.yml", "dataset.yaml")
LARGEST = 1 << 20  # bytes of one: a line a class
NAMES = ("classes.txt", "labels/classes.txt", "obj.names")
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # keys of data.yaml
Home = tuple[str, list[Path]]  # a split, and the images in it


class Pose(NamedTuple):
    """What data.yaml says of keypoints: their names, how many numbers each has, and which is which in a mirror."""

    names: tuple[str, ...]
    numbers: int
    swaps: tuple[int, ...] | None


def is_yolo(path: Path) -> bool:
    """Say whether a path is a data.yaml, or a folder with one or with images/ and labels/."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return path.is_file()
    return find_yaml(path) is not None or any(True for _ in homes_in(path, LABELS))


def find_yaml(root: Path) -> Path | None:
    """Return the file that says where a data set lies, None where a folder has none."""
    return next((root / name for name in FILES if (root / name).is_file()), None)


def list_yolo(path: Path, *, outside: bool = False) -> BoxListing:
    """List a data.yaml, or a folder of images and labels."""
    file = path if path.is_file() else find_yaml(path)
    root = file.parent if file else path
    walk, pose = Walk(root, Inside(root, outside=outside)), None
    if file:
        content = read_yaml(file)
        names, homes, pose = names_in(content, file), list(homes_of(content, file, walk)), pose_in(content, file)
    else:
        names, homes = read_names(root, walk.inside), list(folders_in(root, walk))
    items = [boxed(image, split, names, walk, pose) for split, images in homes for image in images]
    if names is None:
        names = numbered(items)
    if items and not any(item.boxes for item in items):
        looked = printable(label_file(items[0].source) if isinstance(items[0].source, Path) else "")
        raise DataError(f"{printable(path)}: no image has a label; expected files such as {looked}")
    hidden = len(walk.skipped.pop(HIDDEN, ()))
    notes = [line for reason, names_of in walk.skipped.items() for line in note(reason, names_of)]
    own = pose.names if pose else ()
    return BoxListing(root.resolve().name, items, names, notes, dict(walk.skipped), hidden, keypoints=own, skeleton=())


def has_keypoints(path: Path) -> bool:
    """Say whether a data.yaml, or that of a folder, has keypoints."""
    file = path if path.is_file() else find_yaml(path)
    return file is not None and "kpt_shape" in read_yaml(file)


def pose_in(content: dict[str, Any], path: Path) -> Pose | None:
    """Return what a data.yaml says of keypoints, None where it says nothing."""
    shape, swaps, names = (content.get(key) for key in ("kpt_shape", "flip_idx", "kpt_names"))
    if shape is None:
        return None
    if not is_row(shape) or len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3):
        raise DataError(f"{printable(path)}: kpt_shape {printable(shape)[:40]}; expected [keypoints, 2 or 3]")
    count, numbers = shape
    if swaps is not None and (not is_row(swaps) or sorted(swaps) != list(range(count))):
        raise DataError(f"{printable(path)}: flip_idx {printable(swaps)[:60]}; expected each of 0 to {count - 1} once")
    names = next(iter(names.values()), None) if isinstance(names, dict) else names
    if names is None:
        names = range(1, count + 1)
    if not isinstance(names, list | range) or len({str(name) for name in names}) != count:
        raise DataError(f"{printable(path)}: kpt_names; expected {count} of them, a different name each")
    return Pose(tuple(str(name).strip() for name in names), numbers, None if swaps is None else tuple(swaps))


def is_row(value: Any) -> bool:
    """Say whether a value is a list of whole numbers."""
    return isinstance(value, list) and all(type(number) is int for number in value)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return what a data.yaml says."""
    try:
        content = yaml.load(read_beside(path, most=LARGEST), PlainLoader)  # a SafeLoader that refuses more
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates and int()
        raise DataError(f"{printable(path)}: cannot be read as YAML ({first_line(error)}); mend it") from None
    if not isinstance(content, dict) or "train" not in content:
        raise DataError(f"{printable(path)}: no train; expected YOLO's train, val and names")
    return content


def names_in(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    """Return the classes that a data.yaml names, as a list or by number."""
    names = content.get("names")
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names or len({str(n) for n in names}) < len(names):
        raise DataError(f"{printable(path)}: names; expected the classes, a different name each, from number 0 on")
    return tuple(str(name).strip() for name in names)


def homes_of(content: dict[str, Any], path: Path, walk: Walk) -> Iterator[Home]:
    """Yield the images of each split that a data.yaml names."""
    told = content.get("path")
    base = path.parent / str(told) if isinstance(told, str) else path.parent
    for key, split in SPLITS.items():
        places = content.get(key)
        for place in places if isinstance(places, list) else [places] if places else []:
            yield split, images_at(str(place), base, path, walk)


def images_at(place: str, base: Path, path: Path, walk: Walk) -> list[Path]:
    """Return the images of a folder or a list; such paths are often written for another folder than they lie in."""
    parts = [part for part in Path(place).parts if part not in ("..", ".")]
    tried = [base / place, path.parent / place, path.parent.joinpath(*parts)]
    there = (p for p in tried if os.path.exists(p))
    inside = (p for p in there if walk.inside.outside or p.resolve().is_relative_to(walk.inside.root))
    target = next(inside, None)
    if target is None:
        raise DataError(
            f"{printable(path)}: '{shortened(place, 300)}' is neither a folder nor a list below it; correct the path, "
            "or pass --allow-outside-root"
        )
    if target.is_dir():
        return sorted(find_images(target, walk))
    lines = (line.strip() for line in read_lines(target, errors="surrogateescape"))
    images = [next((p for p in (target.parent / n, base / n) if walk.inside.holds(p)), Path(n)) for n in lines if n]
    lost = next((p for p in images if not walk.inside.holds(p)), None)
    if lost is not None:
        raise DataError(f"{printable(target)}: '{printable(lost)}' does not exist below the data; correct the path")
    return images


def folders_in(root: Path, walk: Walk) -> Iterator[Home]:
    """Yield the images of each folder that has labels beside it."""
    for split, images, _ in homes_in(root, LABELS):
        for path in sorted(find_images(images, walk)):
            yield split or split_in(path.relative_to(images).parts[:-1]), [path]


def read_names(root: Path, inside: Inside) -> tuple[str, ...] | None:
    """Return the classes that a file names, a line each; None where there is none."""
    path = next((root / name for name in NAMES if inside.holds(root / name)), None)
    if path is None:
        return None
    lines = [line.strip() for line in read_lines(path, errors="replace")]
    names = [line for line in lines if line]
    if not names or len(set(names)) < len(names):
        raise DataError(f"{printable(path)}: expected the classes, a different name a line, from number 0 on")
    return tuple(names)


def numbered(items: Sequence[Boxed]) -> tuple[str, ...]:
    """Return the numbers up to the largest as names: nothing names the classes."""
    most = max((int(box.label) for item in items for box in item.boxes), default=0)
    if most >= 10_000:
        raise DataError(f"class {most}; expected numbers from 0 on, or a data.yaml that names the classes")
    return tuple(str(k) for k in range(most + 1))


def label_file(image: Path) -> Path:
    """Return where the labels of an image are."""
    parts = list(image.parts)
    place = next((i for i in range(len(parts) - 2, -1, -1) if parts[i].lower() == IMAGES), None)
    if place is not None:
        parts[place] = LABELS
    return Path(*parts).with_suffix(".txt")


def boxed(image: Path, split: str, names: Sequence[str] | None, walk: Walk, pose: Pose | None = None) -> Boxed:
    """Return one image with the boxes of its file."""
    file, root = label_file(image), walk.root
    name = image.relative_to(root).as_posix() if image.is_relative_to(root) else str(image)
    told = printable(file)
    boxes: tuple[Drawn, ...] = ()
    if walk.inside.holds(file):
        lines = enumerate(read_lines(file), 1)
        boxes = tuple(box_of(line, i, told, names, pose) for i, line in lines if line.strip())
    own: dict[str, Any] = {"keypoints": pose.names, "swaps": pose.swaps} if pose else {}
    return Boxed(split, name, image, boxes, braced(told) + " line {}", "centre", shares=True, **own)


def box_of(line: str, place: int, where: str, names: Sequence[str] | None, pose: Pose | None = None) -> Drawn:
    """Return the box of a line."""
    number, *rest = line.split()
    try:
        values = [float(word) for word in rest]
        label = int(number)
    except ValueError:
        values, label = [], -1
    if label < 0 or not is_whole(len(values), pose):
        more = f" and {len(pose.names)} keypoints of {pose.numbers} numbers" if pose else ""
        told = f"'{printable(line.strip())[:60]}'; expected class x y width height{more}"
        raise DataError(f"{where} line {place}: {told}")
    if names is not None and label >= len(names):
        known = listed((printable(name) for name in names), 4)
        raise DataError(f"{where} line {place}: class {label}; expected 0 to {len(names) - 1} ({known})")
    polygon = [values] if len(values) > 5 and not pose else None
    x, y, width, height = around(values) if polygon else values[:4]
    name, points = names[label] if names is not None else str(label), points_in(values[4:], pose)
    return Drawn(place, (x, y, width, height), name, shape=polygon, points=points)


def is_whole(count: int, pose: Pose | None) -> bool:
    """Say whether so many numbers are a box, with keypoints or without, or a polygon."""
    if pose:
        return count in (4, 4 + len(pose.names) * pose.numbers)
    return count >= 4 and not (count > 5 and count % 2)


def points_in(values: Sequence[float], pose: Pose | None) -> list[float] | None:
    """Return keypoints as COCO has them, x, y and visibility of each; None where a line has none."""
    if pose is None or not values:
        return None
    if pose.numbers == 3:
        return list(values)
    pairs = zip(values[::2], values[1::2], strict=True)
    return [n for x, y in pairs for n in (x, y, 2.0 if min(x, y) >= 0 and (x, y) != (0, 0) else 0.0)]


def around(polygon: Sequence[float]) -> list[float]:
    """Return centre and sides of the box around a polygon x y x y x y."""
    x, y = polygon[::2], polygon[1::2]
    return [(min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
