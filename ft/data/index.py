"""A data set on disk -> a list of samples with integer labels, the same on every machine and in any locale.

A source is "digits", a folder, or a CSV manifest. Its listing says what was found; `open_dataset` turns that into
training and validation samples, `open_images` into samples to evaluate.

    folder/train/CLASS/..., folder/val/CLASS/...    given splits; valid, validation or test serve where val is missing
    folder/CLASS/...                                of each class a share is held out, see `hold_out`
    manifest.csv: path,label[,split]                paths relative to its folder; without split as above

Classes and files are sorted by the bytes of their names. Images count at any depth below their class folder. Hidden
files are skipped silently, everything else that is left out is counted in a note. Links to folders are never followed,
links to files only where they stay inside the data: what a data set is should be seen in its own folder.
"""

import csv
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ft.data.decode import printable
from ft.data.digits import IMAGE_SIZE, TRAIN_COUNT, read_digits
from ft.errors import DataError, listed, unknown
from ft.noise import generator

EXTENSIONS = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
JUNK = {"Thumbs.db", "@eaDir", "__MACOSX"}  # what file managers leave behind; hidden files are skipped as well
VAL_NAMES = ("val", "valid", "validation", "test")
SPLITS = {"train": "train"} | dict.fromkeys(VAL_NAMES, "val")

NO_IMAGE = "ignored, no image by its extension"
NO_FILE = "not opened: links out of the data or to folders, pipes, devices, or folders named like images"
BESIDE = "ignored, images beside the class folders"
NO_SPLIT = "ignored, folders beside the splits in use"
EMPTY = "class folders without images"

Skipped = defaultdict[str, set[str]]  # reason -> names


@dataclass(frozen=True)
class Sample:
    """One image: its POSIX path relative to the data, its label, its pixels: a file, or uint8 (H, W) or (H, W, 3)."""

    name: str
    label: int
    source: Path | np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Dataset:
    """What to train on and what to validate on; `notes` are one-line warnings for the user."""

    name: str
    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    image_size: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Entry:
    """One image as the source lists it: split "train", "val", or "" where the source has none; the label as text."""

    split: str
    label: str
    name: str
    source: Path | np.ndarray


@dataclass(frozen=True, eq=False)
class Listing:
    """All that a source holds. `folders` are the class folders outside val, the empty ones too."""

    name: str
    entries: list[Entry]
    folders: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    image_size: int | None = None


def open_dataset(spec: str, *, val_fraction: float = 0.2, seed: int = 0,
                 classes: tuple[str, ...] | None = None) -> Dataset:
    """Return the data set that `spec` names, with a validation split in any case.

    classes: those of a trained model, in its order; without them the classes of the training images. Raises DataError.
    """
    listing = list_source(spec)
    names = choose_classes(listing, classes, printable(spec))
    notes = list(listing.notes)
    entries = listing.entries
    if not any(e.split == "val" for e in entries):
        entries, lone = hold_out(entries, names, val_fraction, seed)
        if any(e.split for e in listing.entries):
            notes.append(f"no val images: {val_fraction:.0%} of each class of train held out")
        notes += note("classes with a single image, which trains", lone)
    train = label_samples((e for e in entries if e.split != "val"), names)
    val = label_samples((e for e in entries if e.split == "val"), names)
    if not train:
        raise DataError(f"{printable(spec)}: val images but no train images{because(listing)}; "
                        "put the images to learn from into train")
    if classes is None and len({s.label for s in train}) < 2:
        raise DataError(f"{printable(spec)}: all train images are of one class, '{printable(names[train[0].label])}'; "
                        "training needs at least two classes")
    if not val:
        raise DataError(f"{printable(spec)}: no class has two images, so none is left for val; add images")
    notes += note("val images with the bytes of a train image, so val accuracy flatters", find_leaks(train, val))
    return Dataset(listing.name, names, train, val, listing.image_size, tuple(notes))


def open_images(spec: str, classes: tuple[str, ...] | None = None) -> Dataset:
    """Return the images to evaluate as `val`, and an empty `train`: the val split, or all images where there is none.

    classes: those of the trained model; without them the data's own, where one is enough. Raises DataError.
    """
    listing = list_source(spec)
    names = choose_classes(listing, classes, printable(spec))
    chosen = [e for e in listing.entries if e.split == "val"] or listing.entries
    return Dataset(listing.name, names, (), label_samples(chosen, names), listing.image_size, tuple(listing.notes))


def list_source(spec: str) -> Listing:
    """Return what the built-in set, the folder or the CSV called `spec` holds: at least one image, or DataError."""
    if spec == "digits":
        return list_digits()
    path = Path(os.path.expanduser(spec))  # pathlib raises on unknown users and names that are too long
    if os.path.isdir(path):
        listing = list_folder(path)
    elif path.suffix.lower() == ".csv" and os.path.isfile(path):
        listing = list_manifest(path)
    else:
        found = "is not a folder or a .csv file" if os.path.exists(path) else "does not exist"
        raise DataError(f"data '{printable(spec)}' {found}; pass digits, a folder of class folders, or a CSV")
    if not listing.entries:
        raise DataError(f"{printable(spec)}: no images{because(listing)}; expected files such as CLASS/photo.jpg")
    return listing


def because(listing: Listing) -> str:
    """Return the notes in brackets, to end the finding of an error that they may explain."""
    return f" ({'; '.join(listing.notes)})" if listing.notes else ""


def list_digits() -> Listing:
    """List scikit-learn's digits, whose pixels are in memory."""
    images, labels = read_digits()
    entries = [Entry("train" if i < TRAIN_COUNT else "val", str(label), f"digits/{i:04}", image)
               for i, (image, label) in enumerate(zip(images, labels, strict=True))]
    return Listing("digits", entries, image_size=IMAGE_SIZE)


# ---- folders


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


def is_own_file(path: Path, root: Path) -> bool:
    """Say whether a path is a regular file inside the root, links resolved."""
    try:
        return path.is_file() and (not path.is_symlink() or path.resolve().is_relative_to(root.resolve()))
    except (OSError, RuntimeError):  # a link to itself
        return False


def note(reason: str, names: Iterable[str]) -> list[str]:
    """Return no line for no names, else one with their count and the first three."""
    names = sorted(map(printable, names))
    return [f"{reason}: {len(names)} ({listed(names, 3)})"] if names else []


# ---- CSV manifests


def list_manifest(path: Path) -> Listing:
    """List a CSV with the columns path, label and perhaps split. Every complaint says its line."""
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    root = path.parent
    for line, row in read_rows(path):
        where = f"{printable(path)} line {line}"
        name = check_path(row["path"], root, where)
        if name in seen:
            raise DataError(f"{where}: '{printable(name)}' is in line {seen[name]} already; keep one of the two")
        seen[name] = line
        if not row["label"].strip():
            raise DataError(f"{where}: blank label; give '{printable(name)}' a class")
        split = row.get("split", "")
        if "split" in row and split not in SPLITS:
            raise DataError(f"{where}: split '{printable(split)}'; expected train or val")
        entries.append(Entry(SPLITS.get(split, ""), row["label"], name, root / name))
    return Listing(path.stem, entries)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the columns of each row of a CSV in UTF-8, with or without BOM, without blank lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if not {"path", "label"} <= set(header) or len(set(header)) < len(header):
                raise DataError(f"{printable(path)} line 1: the header is '{printable(','.join(header))}'; "
                                "expected path,label or path,label,split with commas between")
            for row in reader:
                if row and len(row) != len(header):
                    raise DataError(f"{printable(path)} line {reader.line_num}: {len(row)} columns, the header has "
                                    f"{len(header)}; quote fields that hold commas")
                if row:
                    yield reader.line_num, dict(zip(header, row, strict=True))
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend its permissions") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{printable(path)}: not CSV in UTF-8 ({error}); save it as CSV UTF-8 with commas") from None


def check_path(text: str, root: Path, where: str) -> str:
    """Return a manifest's path in its shortest form, if it names a file below the manifest's folder."""
    path = PurePosixPath(text)
    if "://" in text:
        raise DataError(f"{where}: '{printable(text)}' is a URL; download it and list the file")
    if path.is_absolute() or ".." in path.parts or text[1:3] == ":\\":
        raise DataError(f"{where}: '{printable(text)}' leaves the CSV's folder; use paths relative to it, without ..")
    if not is_own_file(root / path, root):
        found = "is not a file inside the CSV's folder" if os.path.lexists(root / path) else "does not exist"
        raise DataError(f"{where}: '{printable(text)}' {found}; correct the path or remove the row")
    return path.as_posix()


# ---- labels and splits


def choose_classes(listing: Listing, given: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """Return the class names in the order of their labels: the given ones, else those of train in byte order.

    A class of val that train lacks, or any that is not among the given ones, raises DataError.
    """
    found = listing.folders | {e.label for e in listing.entries}
    if given is not None:
        for label in sorted(found.difference(given)):
            raise DataError(f"{where}: {unknown('class', printable(label), given)} (the model's classes decide)")
        return tuple(given)
    known = listing.folders | {e.label for e in listing.entries if e.split != "val"} or found
    if extra := found - known:
        raise DataError(f"{where}: val has classes that train lacks: {listed(map(printable, byte_sorted(extra)))}; "
                        "add train images or remove them from val")
    return tuple(byte_sorted(known))


def hold_out(entries: list[Entry], classes: Sequence[str], fraction: float, seed: int) -> tuple[list[Entry], list[str]]:
    """Return the entries with a split each, and the classes of one image, which train.

    Of the n names of a class in byte order, permuted by generator(seed, "split", class index), the first
    round(fraction * n), at least 1 and at most n - 1, are val. So a class's split depends on nothing but its own names.
    """
    members: dict[str, list[str]] = {name: [] for name in classes}
    for entry in entries:
        members[entry.label].append(entry.name)
    val: set[str] = set()
    for index, name in enumerate(classes):
        names = byte_sorted(members[name])
        count = min(max(round(fraction * len(names)), 1), len(names) - 1)
        if count > 0:
            order = generator(seed, "split", index).permutation(len(names))
            val.update(names[i] for i in order[:count])
    split = [replace(e, split="val" if e.name in val else "train") for e in entries]
    return split, [name for name in classes if len(members[name]) == 1]


def label_samples(entries: Iterable[Entry], classes: Sequence[str]) -> tuple[Sample, ...]:
    """Return entries as samples with integer labels, in byte order of their names."""
    index = {name: i for i, name in enumerate(classes)}
    ordered = sorted(entries, key=lambda entry: name_bytes(entry.name))
    return tuple(Sample(e.name, index[e.label], e.source) for e in ordered)


def byte_sorted(names: Iterable[str]) -> list[str]:
    """Return names sorted by their bytes, which no locale changes."""
    return sorted(names, key=name_bytes)


def name_bytes(name: str) -> bytes:
    """Return the bytes of a file's name, also where they are not UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def find_leaks(train: Sequence[Sample], val: Sequence[Sample]) -> list[str]:
    """Return the names of val files whose bytes are those of a train file. Only files of equal size are read."""
    sizes: defaultdict[int, list[Path]] = defaultdict(list)
    for sample in train:
        if isinstance(sample.source, Path):
            sizes[sample.source.stat().st_size].append(sample.source)
    hashes: dict[int, set[bytes]] = {}
    leaks = []
    for sample in val:
        if isinstance(sample.source, Path) and (size := sample.source.stat().st_size) in sizes:
            if size not in hashes:
                hashes[size] = {hash_file(path) for path in sizes[size]}
            if hash_file(sample.source) in hashes[size]:
                leaks.append(sample.name)
    return leaks


def hash_file(path: Path) -> bytes:
    """Return the SHA-256 of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend it or remove it") from None
