"""A folder of texts -> what it holds: class folders with a file a text, or a file for each split."""

import os
import re
from dataclasses import replace
from pathlib import Path

from ft.data.sources.folder import EXTENSIONS, Walk, is_left_by_training, list_class_folders
from ft.data.sources.listing import SPLITS, Entry, Inside, name_bytes
from ft.data.sources.text import Text
from ft.data.sources.texts import conll, plain
from ft.data.sources.texts.raw import BadText, RawText, TextListing, fault_of, read_utf8
from ft.data.sources.texts.table import READERS, is_table_of_texts
from ft.errors import DataError, printable

OF_FILES = SPLITS | {"dev": "val", "devel": "val", "testa": "val", "testb": "test"}  # as CoNLL's files are named, too
ENDINGS = {*READERS, *conll.ENDINGS, *plain.ENDINGS}


def is_folder_of_texts(root: Path) -> bool:
    """Say whether a folder holds texts by the names of its files, and no image anywhere."""
    has_texts = any(is_table_of_texts(path) for path in candidates(root))
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name[0] != "." and not is_left_by_training(Path(folder) / name)]
        endings = {Path(name).suffix.lower() for name in names if name[0] != "."}
        if not endings.isdisjoint(EXTENSIONS):
            return False
        has_texts = has_texts or not endings.isdisjoint(plain.ENDINGS | conll.ENDINGS)
    return has_texts


def split_files(root: Path) -> dict[str, Path]:
    """Return the file of each split that lies directly in a folder, such as train.csv, eng.testa or news-dev.conll.

    None where there is no file to train on and there are folders: then these hold the texts.
    """
    files: dict[str, Path] = {}
    for path in candidates(root):
        split = split_named(path.name) or ""
        if split in files:
            both = f"{printable(files[split].name)} and {printable(path.name)}"
            raise DataError(f"{printable(root)}: two files of {split}, {both}; keep one of them in the folder")
        files[split] = path
    return files if "train" in files or not any(p.is_dir() and p.name[0] != "." for p in root.iterdir()) else {}


def candidates(root: Path) -> list[Path]:
    """Return the files in a folder that are texts of a split by their names, in byte order."""
    try:
        paths = [path for path in root.iterdir() if path.name[0] != "." and path.suffix.lower() in ENDINGS]
    except OSError as error:
        raise DataError(f"{printable(root)}: cannot be read ({error.strerror}); mend its permissions") from None
    return sorted((p for p in paths if split_named(p.name) and p.is_file()), key=lambda path: name_bytes(path.name))


def split_named(name: str) -> str | None:
    """Return the split that a word of a file's name says, None where none does."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((OF_FILES[word] for word in words if word in OF_FILES), None)


def list_text_folder(root: Path, *, outside: bool) -> TextListing:
    """List class folders, or train/, val/ and test/ with class folders each, of files that are a text each."""
    listing = list_class_folders(Walk(root, Inside(root, outside=outside), "text", plain.ENDINGS))
    entries = sorted(listing.entries, key=lambda entry: name_bytes(entry.name))
    texts = list(map(read_entry, entries))
    return TextListing(listing.name, texts, listing.folders, listing.notes, listing.ignored, listing.hidden)


def read_entry(entry: Entry) -> RawText:
    """Return the text of a file."""
    assert isinstance(entry.source, Path), "a file of a folder"
    where = printable(entry.source)
    listed = RawText(entry.name, where, Text(""), entry.label, entry.split)
    try:
        text = Text(read_utf8(entry.source).strip())
    except BadText as fault:
        return replace(listed, fault=fault)
    return replace(listed, text=text, fault=fault_of(text, where))
