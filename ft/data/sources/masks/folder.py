"""Folders of images and masks -> their listing.

    images/...        masks/...         a mask has the name of its image, whatever the extension, or that and _mask
    images/train/...  masks/train/...   given splits, named as class folders have them
    train/images/...  train/masks/...   the same, the other way round
    classes.txt                         beside them, see legend.py

Files count at any depth. Test images without masks are left for prediction.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ft.data.sources.folder import HIDDEN, Walk, find_images
from ft.data.sources.listing import SPLITS, UNLABELLED_TEST, Inside, note
from ft.data.sources.mask import MaskFile
from ft.data.sources.masks.legend import find_legend, read_legend
from ft.data.sources.masks.pairs import LONE, MaskListing, Pair, split_in
from ft.errors import DataError, printable

IMAGES, MASKS = "images", "masks"
SUFFIX = "_mask"


def is_folder_of_masks(root: Path) -> bool:
    """Say whether a folder holds images/ and masks/, or a folder of a split in it does."""
    return any(True for _ in homes_in(root))


def homes_in(root: Path, beside: str = MASKS, images: str = IMAGES) -> Iterator[tuple[str, Path, Path]]:
    """Yield the split, "" for none, and the folders of images and of what is drawn on them, wherever both are."""
    folders = folders_of(root)
    if images in folders and beside in folders:
        yield "", folders[images], folders[beside]
        return
    for name, folder in sorted(folders.items()):
        inner = folders_of(folder) if name in SPLITS else {}
        if images in inner and beside in inner:
            yield SPLITS[name], inner[images], inner[beside]


def folders_of(folder: Path) -> dict[str, Path]:
    """Return the folders in a folder by their names in lower case; none where it cannot be read."""
    try:
        with os.scandir(folder) as scanned:
            return {entry.name.lower(): folder / entry.name for entry in scanned if entry.is_dir()}
    except OSError:
        return {}


def list_mask_folder(root: Path, *, ignore_index: int, outside: bool = False) -> MaskListing:
    """List folders of images and masks."""
    walk = Walk(root, Inside(root, outside=outside))
    pairs: list[Pair] = []
    for split, images, masks in homes_in(root):
        pairs += pairs_in(images, masks, split, walk)
    hidden = len(walk.skipped.pop(HIDDEN, ()))
    notes = [line for reason, names in walk.skipped.items() for line in note(reason, names)]
    legend = find_legend(root, walk.inside)
    names, coding = read_legend(legend, ignore_index) if legend else (None, None)
    return MaskListing(root.resolve().name, pairs, names, coding, notes, dict(walk.skipped), hidden)


def pairs_in(images: Path, masks: Path, split: str, walk: Walk) -> list[Pair]:
    """Return the images of one folder with the masks of the other."""
    named, drawn = by_stem(images, walk), by_stem(masks, walk)
    tested = any(split_of(stem, split) == "test" for stem in drawn)
    pairs = []
    for stem, path in named.items():
        own = split_of(stem, split)
        name = path.relative_to(walk.root).as_posix()
        mask = drawn.pop(stem, None) or drawn.pop(stem + SUFFIX, None)
        if own == "test" and mask is None and not tested:
            walk.skip(UNLABELLED_TEST, path)
            continue
        there = mask or masks / f"{stem}.png"
        pairs.append(Pair(own, name, path, there.relative_to(walk.root).as_posix(), MaskFile(mask) if mask else None))
    for path in drawn.values():
        walk.skip(LONE, path)
    return pairs


def by_stem(folder: Path, walk: Walk) -> dict[str, Path]:
    """Return the files of a folder by their paths in it without extension, of which no two may be the same."""
    paths: dict[str, Path] = {}
    for path in find_images(folder, walk):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in paths:
            raise DataError(
                f"{printable(path)}: {printable(paths[stem].name)} has the same name; rename one of the two"
            )
        paths[stem] = path
    return paths


def split_of(stem: str, split: str) -> str:
    """Return the split of a file: that of its home, else of the folder that it lies in."""
    return split or split_in(Path(stem).parts[:-1])
