"""Which sources hold boxes, by their layout alone, and what each of them lists."""

import os
from pathlib import Path

from ft.data.sources.boxes.coco import list_coco
from ft.data.sources.boxes.listing import Boxed, BoxListing, Drawn
from ft.data.sources.boxes.table import is_table_of_boxes, list_box_table
from ft.data.sources.boxes.voc import is_voc, list_voc
from ft.data.sources.boxes.yolo import is_yolo, list_yolo
from ft.data.sources.masks.coco import files_in, is_coco, is_json, read_annotations
from ft.data.sources.masks.scenes import CLASSES, IMAGE_SIZE, NAME, make_scenes
from ft.data.sources.masks.source import holds_masks
from ft.data.sources.policy import DEFAULT, Policy
from ft.errors import DataError, printable


def holds_boxes(spec: str) -> bool:
    """Say whether `spec` names images with boxes, by its layout: nothing is read but names, and a CSV's header.

    So are "scenes", a CSV with the columns of a box, a JSON file, YOLO's data.yaml, and a folder that holds one,
    COCO's files of annotations, images/ and labels/, or XML files beside images.
    """
    if spec == NAME:
        return True
    path = Path(os.path.expanduser(spec))
    if os.path.isfile(path) and path.suffix.lower() == ".csv":
        return is_table_of_boxes(path)
    return os.path.exists(path) and (is_coco(path) or is_yolo(path) or (os.path.isdir(path) and is_voc(path)))


def holds_boxes_alone(spec: str) -> bool:
    """Say whether `spec` names images with boxes and without masks: COCO's files are read for that."""
    if not holds_boxes(spec) or spec == NAME:
        return False
    path = Path(os.path.expanduser(spec))
    if not holds_masks(spec):
        return True
    files = [path] if is_json(path) else [file for _, file in files_in(path)]
    rows = [row for file in files for row in read_annotations(file)["annotations"]]
    return bool(rows) and not any(row.get("segmentation") or "segments_info" in row for row in rows)


def list_boxes(spec: str, policy: Policy = DEFAULT, *, missing: bool = False) -> BoxListing:
    """Return what the source `spec` holds: at least one image, or DataError.

    missing: files that a CSV names and that do not exist are listed too; always so where bad images are skipped.
    """
    if spec == NAME:
        return list_scenes()
    path, outside = Path(os.path.expanduser(spec)), policy.allow_outside_root
    if not holds_boxes(spec):
        trouble = "holds no boxes by its layout" if os.path.exists(path) else "does not exist"
        raise DataError(
            f"data '{printable(spec)}' {trouble}; pass scenes, COCO's JSON, Pascal VOC's XML, YOLO's data.yaml, or a "
            "CSV image,x1,y1,x2,y2,label"
        )
    if os.path.isfile(path) and path.suffix.lower() == ".csv":
        listing = list_box_table(path, outside=outside, missing=missing or policy.on_bad_image == "skip")
    elif is_coco(path):
        listing = list_coco(path, outside=outside)
    elif is_yolo(path):
        listing = list_yolo(path, outside=outside)
    else:
        listing = list_voc(path, outside=outside)
    if not listing.items:
        because = f" ({'; '.join(listing.notes)})" if listing.notes else ""
        raise DataError(f"{printable(spec)}: no images{because}; expected images and the files of their boxes")
    return listing


def list_scenes() -> BoxListing:
    """List the built-in set, which is in memory: its masks are the same pictures'."""
    items = []
    for i, scene in enumerate(make_scenes()):
        values, labels = scene.boxes.astype(float).tolist(), [CLASSES[k] for k in scene.labels.tolist()]
        boxes = tuple(
            Drawn(n, (a, b, c, d), name) for n, ((a, b, c, d), name) in enumerate(zip(values, labels, strict=True))
        )
        items.append(Boxed(scene.split, f"{NAME}/{i:04}", scene.image, boxes, f"{NAME}/{i:04} box {{}}"))
    return BoxListing(NAME, items, CLASSES[1:], image_size=IMAGE_SIZE)
