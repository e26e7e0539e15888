"""A folder of class folders -> its listing, the same on every machine.

    folder/train/CLASS/..., folder/val/CLASS/...    given splits; valid, validation or test serve where val is missing
    folder/CLASS/...                                no splits

Images count at any depth below their class folder. Hidden files are skipped silently, everything else that is left out
is counted in a note. Links to folders are never followed, links to files only where they stay inside the data: what a
data set is should be seen in its own folder.
"""

import os
from collections import defaultdict
from pathlib import Path

from ft.data.decode import printable
from ft.data.listing import SPLITS, VAL_NAMES, Entry, Listing, is_own_file, name_bytes, note
from ft.errors import DataError

EXTENSIONS = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
JUNK = {"Thumbs.db", "@eaDir", "__MACOSX"}  # what file managers leave behind; hidden files are skipped as well

NO_IMAGE = "ignored, no image by its extension"
NO_FILE = "not opened: links out of the data or to folders, pipes, devices, or folders named like images"
BESIDE = "ignored, images beside the class folders"
NO_SPLIT = "ignored, folders beside the splits in use"
EMPTY = "class folders without images"

Skipped = defaultdict[str, set[str]]  # reason -> names


def list_folder(root: Path) -> Listing:
    """List a folder of class folders, or one of train/ and val/ with class folders each."""
    skipped: Skipped = defaultdict(set)
    entries, classes = [], set()
    splits = find_splits(root, skipped)
    for folder in splits:
        split = SPLITS[folder.name] if folder != root else ""
        for class_folder in find_class_folders(folder, root, skipped):
            images = find_images(class_folder, root, skipped)
            entries += [Entry(split, class_folder.name, path.relative_to(root).as_posix(), path) for path in images]
            if split != "val":
                classes.add(class_folder.name)
            if not images:
                skipped[EMPTY].add(class_folder.relative_to(root).as_posix())
    notes = [f"{folder.name}/ serves as val" for folder in splits if folder != root and folder.name in VAL_NAMES[1:]]
    notes += [line for reason, names in skipped.items() for line in note(reason, names)]
    return Listing(root.resolve().name, entries, classes, notes)


def find_splits(root: Path, skipped: Skipped) -> list[Path]:
    """Return the folders of train and val, those that there are, or the root itself where classes lie in it."""
    folders, images = look_into(root, root, skipped)
    skipped[BESIDE].update(path.name for path in images)
    names = {folder.name for folder in folders}
    if "train" not in names and not (names and names <= set(VAL_NAMES)):
        return [root]
    chosen = ["train"] * ("train" in names) + [n for n in VAL_NAMES if n in names][:1]
    skipped[NO_SPLIT].update(names.difference(chosen))
    return [root / name for name in chosen]


def find_class_folders(folder: Path, root: Path, skipped: Skipped) -> list[Path]:
    """Return the class folders in a split, of which there must be one at least."""
    folders, images = look_into(folder, root, skipped)
    skipped[BESIDE].update(path.relative_to(root).as_posix() for path in images)
    if not folders:
        found = [f"{len(images)} images but no class folders" if images else "empty, or no class folders"]
        found += note(NO_FILE, skipped[NO_FILE])
        raise DataError(f"{printable(folder)}: {', '.join(found)}; expected one folder of images for each class")
    return folders


def find_images(folder: Path, root: Path, skipped: Skipped) -> list[Path]:
    """Return the images below a folder at any depth, in no order that matters."""
    found, waiting = [], [folder]
    while waiting:  # not recursive: folders may nest deeper than Python calls
        folders, images = look_into(waiting.pop(), root, skipped)
        waiting += folders
        found += images
    return found


def look_into(folder: Path, root: Path, skipped: Skipped) -> tuple[list[Path], list[Path]]:
    """Return the folders and the images that lie directly in a folder; what is neither goes to `skipped`."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: name_bytes(entry.name))
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be read ({error.strerror}); mend it or remove it") from None
    folders, images = [], []
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name in JUNK:
            continue
        named_as_image = path.suffix.lower() in EXTENSIONS
        if entry.is_dir(follow_symlinks=False) and not named_as_image:
            folders.append(path)
        elif not is_own_file(path, root):
            skipped[NO_FILE].add(path.relative_to(root).as_posix())
        elif named_as_image:
            images.append(path)
        else:
            skipped[NO_IMAGE].add(path.relative_to(root).as_posix())
    return folders, images
