"""What `ft predict` writes beside its lines: masks, images with masks or boxes on them, COCO's results."""

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ft.system.files import make_folder, publishing, write_bytes

if TYPE_CHECKING:
    import numpy as np

    from ft.api.run import Answer, Box
    from ft.data import Sample


def write_pictures(name: str, sample: "Sample", answer: "Answer", result: Mapping[str, Any], flags: Namespace) -> None:
    """Write the mask of an image, and the image with it or its boxes on it, into the folders that the flags name.

    result: the run's model.json.
    """
    from ft.data import decode
    from ft.report.masks import as_jpeg, as_png, overlay

    colours = result.get("colours", ())
    if answer.mask is not None and flags.masks:
        write_below(flags.masks, f"{name}.png", as_png(answer.mask, colours))
    if not flags.overlays:
        return
    picture = decode(cast("Path", sample.source))
    if answer.mask is None:
        over = with_boxes(picture, answer.boxes or [], result["classes"])
    else:
        over = overlay(picture, answer.mask, colours)
    write_below(flags.overlays, f"{name}.jpg", as_jpeg(over))


def with_boxes(picture: "np.ndarray", boxes: "Sequence[Box]", classes: Sequence[str]) -> "np.ndarray":
    """Return a picture with boxes, and their masks where they have some, on it."""
    import numpy as np

    from ft.report.boxes import drawn

    corners = np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes]).reshape(-1, 4)
    numbers, scores = [classes.index(box.label) for box in boxes], np.array([box.score for box in boxes])
    masks = [box.mask for box in boxes]
    points = [np.array(box.keypoints) for box in boxes if box.keypoints is not None]
    return drawn(picture, corners, numbers, classes, scores, [mask for mask in masks if mask is not None], points)


@contextmanager
def as_coco(path: Path, numbers: Mapping[str, int], score: float) -> "Iterator[Callable[[str, Answer], None]]":
    """Write COCO's results, which take their place when all images are done.

    An image's id is the number that its file is called, as in COCO, else the name that was asked about. numbers: of the
    classes by their names; `category` is the name.
    """
    rows = []

    def take(name: str, answer: "Answer") -> None:
        stem = Path(name).stem
        image = int(stem) if stem.isdecimal() and stem.isascii() else name
        for box in answer.boxes or ():
            if box.score >= score:
                sides = [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]
                row = {"image_id": image, "category_id": numbers[box.label], "bbox": sides, "score": box.score}
                row |= {} if box.runs is None else {"segmentation": box.runs.as_coco}
                if box.keypoints is not None:
                    row["keypoints"] = [value for x, y, _ in box.keypoints for value in (x, y, 1)]
                rows.append(json.dumps({**row, "category": box.label, "file_name": name}))

    with publishing(path, flag="--boxes") as temporary:
        yield take
        temporary.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


def names_below(names: Sequence[str]) -> list[str]:
    """Return the images' names without the folders that all share, and without endings where they differ so, too."""
    paths = [os.path.abspath(name) for name in names]
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    inner = [os.path.relpath(path, shared) for path in paths]
    stems = [os.path.splitext(name)[0] for name in inner]
    return stems if len(set(stems)) == len(set(inner)) else inner


def write_below(folder: str, name: str, content: bytes) -> None:
    """Write a file into a folder, and the folders that its name has."""
    path = Path(folder, name)
    make_folder(path.parent)
    write_bytes(path, content)
