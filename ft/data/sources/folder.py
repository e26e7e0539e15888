"""A folder of class folders -> its listing, the same on every machine.

    folder/train/CLASS/..., folder/val/CLASS/...    given splits, in any case; training serves as train, valid or
                                                    validation as val where that is missing
    folder/test/CLASS/...                           beside them, images that no training touches
    folder/test/...                                 the same without classes of train: left for prediction
    folder/CLASS/...                                no splits

Images count at any depth below their class folder. Hidden files are skipped silently, everything else that is left out
is counted in a note. Links to folders are not followed, links to files only where they stay inside the data, unless
`outside` allows both: what a data set is should be seen in its own folder.
"""

import os
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ft.data.sources.listing import (
    SPLITS,
    TEST_NAMES,
    TRAIN_NAMES,
    UNLABELLED_TEST,
    VAL_NAMES,
    Entry,
    Inside,
    Listing,
    Thing,
    name_bytes,
    note,
    worded,
)
from ft.errors import DataError, printable
from ft.system.names import CHECKPOINTS, LOG, RECIPE

EXTENSIONS = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
JUNK = {"Thumbs.db", "@eaDir", "__MACOSX"}  # what file managers leave behind; hidden files are skipped as well
SIGNS = ((RECIPE, LOG), (RECIPE, CHECKPOINTS), ("lr-find.json",), ("bench.json", "bench.png"))

NO_IMAGE = "ignored, no image by its extension"
NO_FILE = "not opened: links out of the data or to folders, pipes, devices, or folders named like images"
BESIDE = "ignored, images beside the class folders"
NO_SPLIT = "ignored, folders beside the splits in use"
EMPTY = "class folders without images"
LEFT = "passed over, folders that a training left"
HIDDEN = "hidden, or left behind by file managers"


@dataclass
class Walk:
    """A walk through the folder `root`: which links to files are taken, and what was skipped, reason -> names.

    thing: what is looked for, files with one of these extensions.
    """

    root: Path
    inside: Inside
    thing: Thing = "image"
    extensions: Collection[str] = frozenset(EXTENSIONS)
    skipped: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def follows(self, entry: os.DirEntry[str]) -> bool:
        """Say whether an entry is a link to a folder that may be entered: allowed, and not one that it lies in."""
        if not (self.inside.outside and entry.is_symlink() and os.path.isdir(entry.path)):
            return False
        target, place = os.path.realpath(entry.path), Path(entry.path).parent
        around = [place, *(parent for parent in place.parents if parent.is_relative_to(self.root))]
        return target not in map(os.path.realpath, around)

    def skip(self, reason: str, path: Path) -> None:
        """Note what is left out."""
        self.skipped[worded(reason, self.thing)].add(path.relative_to(self.root).as_posix())


def list_folder(root: Path, *, outside: bool = False) -> Listing:
    """List a folder of class folders, or one of train/, val/ and test/ with class folders each."""
    return list_class_folders(Walk(root, Inside(root, outside=outside)))


def list_class_folders(walk: Walk) -> Listing:
    """List what a walk looks for, see `list_folder`."""
    root = walk.root
    entries, classes = [], set()
    splits = find_splits(walk)
    for folder, split in splits.items():
        for class_folder in find_class_folders(folder, split, classes, walk):
            images = find_images(class_folder, walk)
            entries += [Entry(split, class_folder.name, path.relative_to(root).as_posix(), path) for path in images]
            if split in ("train", ""):
                classes.add(class_folder.name)
            if not images:
                walk.skip(EMPTY, class_folder)
    known = ((path.name, split) for path, split in splits.items() if split)
    notes = [f"{name}/ serves as {split}" for name, split in known if name.lower() != split]
    hidden = len(walk.skipped.pop(HIDDEN, ()))
    notes += [line for reason, names in walk.skipped.items() for line in note(reason, names)]
    ignored = dict(walk.skipped)
    return Listing(root.resolve().name, entries, classes, notes, ignored=ignored, hidden=hidden, thing=walk.thing)


def find_splits(walk: Walk) -> dict[Path, str]:
    """Return the folders of "train", "val" and "test", those that there are, or the root, of "", where classes lie."""
    folders, images = look_into(walk.root, walk)
    for path in images:
        walk.skip(BESIDE, path)
    names = {folder.name.lower(): folder.name for folder in folders}
    every = (TRAIN_NAMES, VAL_NAMES, TEST_NAMES)
    train, val, test = ([names[name] for name in known if name in names][:1] for known in every)
    if not train and not names.keys() <= {*VAL_NAMES, *TEST_NAMES}:
        return {walk.root: ""}
    walk.skipped[NO_SPLIT].update({folder.name for folder in folders}.difference(train, val, test))
    return {walk.root / name: SPLITS[name.lower()] for name in train + val + test} or {walk.root: ""}


def find_class_folders(folder: Path, split: str, trained: Collection[str], walk: Walk) -> list[Path]:
    """Return the class folders in a split, of which there must be one at least.

    trained: those of train; a test split with none of them, or without any, has no labels and is left for prediction.
    """
    folders, images = look_into(folder, walk)
    if split == "test" and trained and not any(path.name in trained for path in folders):
        for path in [*images, *(path for inner in folders for path in find_images(inner, walk))]:
            walk.skip(UNLABELLED_TEST, path)
        return []
    for path in images:
        walk.skip(BESIDE, path)
    if not folders:
        told = worded(NO_FILE, walk.thing)
        reasons = [f"{len(images)} {walk.thing}s but no class folders" if images else "empty, or no class folders"]
        reasons += note(told, walk.skipped[told])
        hint = f" (its name says {split}; a class needs another)" if split else ""
        raise DataError(
            f"{printable(folder)}: {', '.join(reasons)}; expected one folder of {walk.thing}s for each class{hint}"
        )
    return folders


def find_images(folder: Path, walk: Walk) -> list[Path]:
    """Return the images below a folder at any depth, in no order that matters; DataError where it is a link outside."""
    if not walk.inside.outside and not folder.resolve().is_relative_to(walk.inside.root):
        raise DataError(
            f"{printable(folder)}: a link that leads out of the data; put the files there, or pass --allow-outside-root"
        )
    paths, waiting = [], [folder]
    while waiting:  # not recursive: folders may nest deeper than Python calls
        folders, images = look_into(waiting.pop(), walk)
        waiting += folders
        paths += images
    return paths


def is_left_by_training(folder: Path, extensions: Collection[str] = frozenset(EXTENSIONS)) -> bool:
    """Say whether a folder is a run, or what `ft lr-find` or `ft bench` writes, or holds runs and no image beside them.

    Who trains in the folder of the data has `runs` among the classes.
    """
    if has_signs(folder):
        return True
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError:  # told where it is looked into
        return False
    if any(Path(entry.name).suffix.lower() in extensions for entry in entries):
        return False
    return any(entry.is_dir(follow_symlinks=False) and has_signs(Path(entry.path)) for entry in entries)


def has_signs(folder: Path) -> bool:
    """Say whether a folder holds the files that tell what wrote it."""
    return any(all(os.path.exists(folder / name) for name in sign) for sign in SIGNS)


def look_into(folder: Path, walk: Walk) -> tuple[list[Path], list[Path]]:
    """Return the folders and the images that lie directly in a folder; what is neither is skipped."""
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: name_bytes(entry.name))
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be read ({error.strerror}); mend its permissions") from None
    folders, images = [], []
    for entry in entries:
        path = folder / entry.name
        named_as_image = path.suffix.lower() in walk.extensions
        if entry.name.startswith(".") or entry.name in JUNK:
            walk.skip(HIDDEN, path)
        elif not named_as_image and (entry.is_dir(follow_symlinks=False) or walk.follows(entry)):
            if is_left_by_training(path, walk.extensions):
                walk.skip(LEFT, path)
            else:
                folders.append(path)
        elif not (entry.is_file(follow_symlinks=False) or walk.inside.holds(path)):
            walk.skip(NO_FILE, path)
        elif named_as_image:
            images.append(path)
        else:
            walk.skip(NO_IMAGE, path)
    return folders, images
