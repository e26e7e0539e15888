"""Which sources hold masks, by their layout alone, and what each of them lists."""

import os
from pathlib import Path

from ft.data.sources.mask import MaskArray, coded
from ft.data.sources.masks.coco import is_coco, list_coco
from ft.data.sources.masks.folder import is_folder_of_masks, list_mask_folder
from ft.data.sources.masks.pairs import MaskListing, Pair
from ft.data.sources.masks.scenes import CLASSES, IMAGE_SIZE, NAME, make_scenes
from ft.data.sources.masks.table import is_table_of_masks, list_mask_table
from ft.data.sources.masks.voc import is_voc, list_voc
from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.recorded import BUILT_IN
from ft.errors import DataError, printable


def holds_masks(spec: str) -> bool:
    """Say whether `spec` names images with masks, by its layout: nothing is read but names, and a CSV's header.

    So are "scenes", a CSV with a column mask, a JSON file, and a folder that holds images/ and masks/ (or train/ with
    both), JPEGImages/ and SegmentationClass/, or COCO's files of annotations.
    """
    if spec == NAME:
        return True
    path = Path(os.path.expanduser(spec))
    if os.path.isdir(path):
        return is_voc(path) or is_folder_of_masks(path) or is_coco(path)
    if not os.path.isfile(path):
        return False
    return is_table_of_masks(path) if path.suffix.lower() == ".csv" else is_coco(path)


def list_masks(spec: str, policy: Policy = DEFAULT, *, ignore_index: int = 255, missing: bool = False) -> MaskListing:
    """Return what the source `spec` holds: at least one image, or DataError.

    missing: files that a CSV names and that do not exist are listed too; always so where bad images are skipped.
    """
    if spec == NAME:
        return list_scenes()
    path, outside = Path(os.path.expanduser(spec)), policy.allow_outside_root
    if not holds_masks(spec):
        fault = "holds no masks by its layout" if os.path.exists(path) or spec in BUILT_IN else "does not exist"
        raise DataError(
            f"data '{printable(spec)}' {fault}; pass scenes, a folder of images/ and masks/, Pascal VOC's or COCO's, "
            "or a CSV image,mask"
        )
    if os.path.isfile(path) and path.suffix.lower() == ".csv":
        missing = missing or policy.on_bad_image == "skip"
        listing = list_mask_table(path, ignore_index=ignore_index, outside=outside, missing=missing)
    elif is_voc(path):
        listing = list_voc(path, ignore_index=ignore_index, outside=outside)
    elif is_folder_of_masks(path):
        listing = list_mask_folder(path, ignore_index=ignore_index, outside=outside)
    else:
        listing = list_coco(path, outside=outside)
    if not listing.pairs:
        because = f" ({'; '.join(listing.notes)})" if listing.notes else ""
        raise DataError(f"{printable(spec)}: no images{because}; expected files such as images/a.jpg and masks/a.png")
    return listing


def list_scenes() -> MaskListing:
    """List the built-in set, which is in memory."""
    pairs = []
    for i, scene in enumerate(make_scenes()):
        name, mask = f"{NAME}/{i:04}", f"{NAME}/{i:04}/mask"
        pairs.append(Pair(scene.split, name, scene.image, mask, MaskArray(mask, scene.mask)))
    return MaskListing(NAME, pairs, CLASSES, coded(range(len(CLASSES))), image_size=IMAGE_SIZE)
