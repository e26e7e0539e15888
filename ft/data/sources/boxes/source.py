"""Which sources hold boxes, by their layout alone, and what each of them lists."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.data.sources.box import Marks
from ft.data.sources.boxes.coco import POINTED, list_coco
from ft.data.sources.boxes.listing import Boxed, BoxListing, Drawn
from ft.data.sources.boxes.table import is_table_of_boxes, list_box_table
from ft.data.sources.boxes.voc import has_objects, is_voc, list_voc
from ft.data.sources.boxes.yolo import has_keypoints, is_yolo, list_yolo
from ft.data.sources.masks.coco import files_in, is_coco, is_json, read_annotations
from ft.data.sources.masks.scenes import CLASSES, IMAGE_SIZE, NAME, Scene, make_scenes
from ft.data.sources.masks.source import holds_masks
from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.recorded import BUILT_IN
from ft.errors import DataError, printable
from ft.metrics.run_lengths import runs_of

SOURCES = {
    "masks": "scenes, COCO's JSON with segmentations, YOLO's polygons, or Pascal VOC's SegmentationObject",
    "keypoints": "COCO's JSON with keypoints, or YOLO's with a kpt_shape in data.yaml",
}


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


def list_boxes(spec: str, policy: Policy = DEFAULT, *, missing: bool = False, marks: Marks = "") -> BoxListing:
    """Return what the source `spec` holds: at least one image, or DataError.

    missing: files that a CSV names and that do not exist are listed too; always so where bad images are skipped.
    marks: what each object has beside its box, DataError for a source that says none.
    """
    if spec == NAME and marks == "keypoints":
        raise DataError(f"{NAME} has no keypoints; pass COCO's JSON with some")
    if spec == NAME:
        return list_scenes(masked=marks == "masks")
    path, outside = Path(os.path.expanduser(spec)), policy.allow_outside_root
    if not holds_boxes(spec):
        trouble = "holds no boxes by its layout" if os.path.exists(path) or spec in BUILT_IN else "does not exist"
        raise DataError(
            f"data '{printable(spec)}' {trouble}; pass scenes, COCO's JSON, Pascal VOC's XML, YOLO's data.yaml, or a "
            "CSV image,x1,y1,x2,y2,label"
        )
    if (marks == "masks" and not may_hold_shapes(spec)) or (marks == "keypoints" and not may_hold_points(path)):
        raise DataError(f"{printable(spec)} holds boxes without {marks}; pass {SOURCES[marks]}")
    if os.path.isfile(path) and path.suffix.lower() == ".csv":
        listing = list_box_table(path, outside=outside, missing=missing or policy.on_bad_image == "skip")
    elif is_coco(path):
        listing = list_coco(path, outside=outside, marks=marks)
    elif is_yolo(path):
        listing = list_yolo(path, outside=outside)
        listing = replace(listing, items=[replace(item, marks=marks) for item in listing.items])
    else:
        listing = list_voc(path, outside=outside, masked=marks == "masks")
    if not listing.items:
        because = f" ({'; '.join(listing.notes)})" if listing.notes else ""
        raise DataError(f"{printable(spec)}: no images{because}; expected images and the files of their boxes")
    return listing


def may_hold_shapes(spec: str) -> bool:
    """Say whether a source of boxes is one that may say the mask of each object."""
    path = Path(os.path.expanduser(spec))
    return spec == NAME or is_coco(path) or is_yolo(path) or (is_voc(path) and has_objects(path))


def may_hold_points(path: Path) -> bool:
    """Say whether a source of boxes is one that may say the keypoints of each object."""
    return is_coco(path) or (is_yolo(path) and has_keypoints(path))


def names_points(spec: str) -> bool:
    """Say whether a source names keypoints, be they marked or not: COCO's files are read for that."""
    path = Path(os.path.expanduser(spec))
    if spec == NAME or not may_hold_points(path):
        return False
    files = [path] if is_json(path) else [file for _, file in files_in(path, POINTED)]
    rows = [row for file in files for row in read_annotations(file)["categories"]]
    return not files or any(row.get("keypoints") for row in rows)


def list_all(spec: str, policy: Policy) -> BoxListing:
    """Return what a source of boxes holds, with all masks that there are, for a check."""
    path = Path(os.path.expanduser(spec))
    if spec == NAME or is_coco(path) or is_yolo(path):
        return list_boxes(spec, policy, missing=True, marks="masks")
    listing = list_boxes(spec, policy, missing=True)
    return replace(listing, items=[replace(i, marks="masks" if i.numbered else "") for i in listing.items])


def list_scenes(*, masked: bool = False) -> BoxListing:
    """List the built-in set, which is in memory: its masks are the same pictures'."""
    items = []
    for i, scene in enumerate(make_scenes()):
        values, labels = scene.boxes.astype(float).tolist(), [CLASSES[k] for k in scene.labels.tolist()]
        boxes = tuple(
            Drawn(n, (a, b, c, d), name, shape=scene_shape(scene, n) if masked else None)
            for n, ((a, b, c, d), name) in enumerate(zip(values, labels, strict=True))
        )
        where = f"{NAME}/{i:04} box {{}}"
        items.append(Boxed(scene.split, f"{NAME}/{i:04}", scene.image, boxes, where, marks="masks" if masked else ""))
    return BoxListing(NAME, items, CLASSES[1:], image_size=IMAGE_SIZE)


def scene_shape(scene: Scene, number: int) -> dict[str, Any]:
    """Return the mask of an object: what is drawn inside of its box, which no other touches."""
    x1, y1, x2, y2 = scene.boxes[number].tolist()
    own = np.zeros(scene.mask.shape, np.bool_)
    own[y1:y2, x1:x2] = scene.mask[y1:y2, x1:x2] > 0
    return runs_of(own).as_coco
