"""A CSV manifest, path,label[,split] with paths relative to its folder -> its listing.

Columns and splits may be written in any case, and columns by other names, see ROLES. A cell `cat|dog` holds two labels,
an empty one none. Where such a cell is, the manifest is multi-label: every cell is a set of names. Elsewhere a label is
the text of its cell. Blanks around either are no part of it.
"""

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ft.data.sources.listing import SPLITS, UNLABELLED_TEST, Entry, Inside, Listing, labels_in, name_bytes, note
from ft.errors import DataError, listed, printable
from ft.metrics.multilabel import BETWEEN, Labels
from ft.system.reading import shortened

ROLES = (  # column -> its names, in any case
    ("path", ("path", "filename", "file", "image", "filepath", "image_path")),
    ("label", ("label", "class", "category")),
    ("split", ("split",)),
)
COMMAS = f"labels with commas, each taken for one (several have a {BETWEEN} between them)"
YES_NO = {"1": True, "1.0": True, "0": False, "0.0": False, "": False}
LARGEST = 1 << 30  # bytes of a file
HEADER = 100_000  # characters that are looked at to tell what a file is
MAX_ABSENT = 10_000  # files that a CSV lists and that do not exist: each is told of


def list_manifest(path: Path, *, outside: bool = False, missing: bool = False, labels: Labels = "one") -> Listing:
    """List a CSV with the columns path, label and perhaps split. Every complaint says its line.

    outside: paths may leave the CSV's folder; missing: files that do not exist are listed all the same; labels: "one"
    refuses cells with several labels or none, "sets" takes every cell as a set, "either" does where there is such a
    cell.
    """
    entries: list[Entry] = []
    absent: list[str] | None = [] if missing else None
    seen: dict[str, int] = {}
    multilabel = labels == "sets"
    root, inside = path.parent, Inside(path.parent, outside=outside)
    rows, notes = read_table(path)
    tested = [row for _, row in rows if split_of(row) == "test"]
    unlabelled = not any(row["label"] for row in tested)  # as a competition hands its test images out
    left = set()
    for line, row in rows:
        where = f"{printable(path)} line {line}"
        name = check_path(row["path"], root, where, inside, absent)
        if name in seen:
            raise DataError(f"{where}: '{printable(name)}' is in line {seen[name]} already; keep one of the two")
        seen[name] = line
        if unlabelled and split_of(row) == "test":
            left.add(name)
            continue
        if BETWEEN in row["label"] or not row["label"]:
            if labels == "one":
                raise DataError(not_one(row["label"], name, where))
            multilabel = True
        if split_of(row) is None:
            raise DataError(f"{where}: split '{printable(row['split'])}'; expected train, val or test")
        entries.append(Entry(split_of(row) or "", row["label"], name, root / name))
    lines = [f"{printable(path)} line {seen[entry.name]}" for entry in entries]
    if multilabel:
        entries = [as_set(e, line) for e, line in zip(entries, lines, strict=True)]
    odd = ask_about_commas(entries, lines) if labels != "one" else set()
    ignored = {reason: names for reason, names in ((UNLABELLED_TEST, left), (COMMAS, odd)) if names}
    notes += [line for reason, names in ignored.items() for line in note(reason, names)]
    return Listing(path.stem, entries, notes=notes, ignored=ignored, multilabel=multilabel)


def list_paths(path: Path, *, missing: bool = False) -> list[tuple[str, Path]]:
    """Return the names of the column path of a CSV, and their files, which may lie anywhere; what else it says is left.

    missing: files that do not exist are listed all the same.
    """
    header, rows = read_rows(path)
    folded = [name.lower() for name in header]
    column = next((folded.index(name) for name in dict(ROLES)["path"] if name in folded), None)
    if column is None:
        raise DataError(
            f"{printable(path)} line 1: the header is '{shortened(','.join(header), 200)}'; expected a column path"
        )
    inside, absent = Inside(path.parent, outside=True), [] if missing else None
    named = [(line, row[column]) for line, row in rows]
    names = [check_path(text, path.parent, f"{printable(path)} line {line}", inside, absent) for line, text in named]
    return [(name, path.parent / name) for name in names]


def split_of(row: Mapping[str, str]) -> str | None:
    """Return the split of a row, "" where the manifest has none, None for a word that says none."""
    return SPLITS.get(row["split"].lower()) if "split" in row else ""


def ask_about_commas(entries: Sequence[Entry], lines: Sequence[str]) -> set[str]:
    """Return the labels with a comma; DataError where the parts of one are labels themselves, so that it may be two."""
    known: set[str] = labels_in(entries)
    odd: set[str] = set()
    for entry, line in zip(entries, lines, strict=True):
        for label in entry.labels:
            parts = [part.strip() for part in re.split("[,;]", label)]
            odd |= {label} if len(parts) > 1 else set()
            if len(parts) > 1 and known.issuperset(parts):
                raise DataError(
                    f"{line}: is '{printable(label)}' one label or {len(parts)}? for several write "
                    f"{printable(BETWEEN.join(parts))}, for one a name without those of others"
                )
    return odd


def not_one(cell: str, name: str, where: str) -> str:
    """Return what is said of a cell with several labels, or none, where each image must have one."""
    if cell:
        return (
            f"{where}: several labels, '{printable(cell)}'; give '{printable(name)}' one, or train with --loss bce, "
            "which takes any number"
        )
    return f"{where}: blank label; give '{printable(name)}' a class, or train with --loss bce, for which it has none"


def as_set(entry: Entry, where: str) -> Entry:
    """Return an entry whose text is read as a set of labels, in byte order."""
    names = [name.strip() for name in entry.label.split(BETWEEN)] if entry.label.strip() else []
    if "" in names:
        raise DataError(
            f"{where}: a blank label in '{printable(entry.label)}'; write names with one {BETWEEN} between two, "
            "or leave the cell empty for none"
        )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{where}: '{printable(twice)}' twice in '{printable(entry.label)}'; name each label once")
    names = sorted(names, key=name_bytes)
    return replace(entry, label=BETWEEN.join(names), several=tuple(names))


def read_table(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """Return the line number and the columns path, label and perhaps split of each row of a CSV, and notes.

    In a CSV without labels the other columns may be classes, with 1 where an image has it and 0 where not.
    """
    header, rows = read_rows(path)
    folded = [name.lower() for name in header]
    place, label, split = (next((folded.index(n) for n in names if n in folded), None) for _, names in ROLES)
    classes = [i for i in range(len(header)) if i not in (place, split)] if label is None else []
    one_hot = len(classes) > 1 and bool(rows) and all(row[i] in YES_NO for _, row in rows for i in classes)
    if place is None or not (label is not None or one_hot) or len(set(header if one_hot else folded)) < len(header):
        raise DataError(
            f"{printable(path)} line 1: the header is '{shortened(','.join(header), 200)}'; expected path,label or "
            "path,label,split with commas between, or path and a column of 0 and 1 for each class"
        )
    table = []
    for line, row in rows:
        cell = BETWEEN.join(header[i] for i in classes if YES_NO[row[i]]) if label is None else row[label]
        table.append((line, {"path": row[place], "label": cell} | ({} if split is None else {"split": row[split]})))
    names = listed(printable(header[i]) for i in classes)
    return table, [f"columns of 0 and 1 are classes: {names}"] if classes else []


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with its line number, of a CSV in UTF-8, with or without BOM.

    Blank lines are none, and blanks around a cell are no part of it.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{printable(path)}: {path.stat().st_size} bytes, at most {LARGEST} are read; divide it")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return parse_rows(file, path, strict=True, skipinitialspace=True)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend its permissions") from None


def parse_rows(lines: Iterable[str], path: Path, **format: Any) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with its line number, of lines in a format of the module csv, see `read_rows`."""
    line, rows = 1, []  # a row may take several; an error of the reader is told with the last one that it understood
    try:
        reader = csv.reader(lines, **format)
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            line = reader.line_num
            if row and len(row) != len(header):
                raise DataError(
                    f"{printable(path)} line {line}: {len(row)} columns, the header has "
                    f"{len(header)}; quote fields that hold commas"
                )
            if row:
                rows.append((line, [cell.strip() for cell in row]))
        return header, rows
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{printable(path)} after line {line}: not CSV in UTF-8 ({error}); save it as CSV UTF-8 with commas"
        ) from None


def check_path(text: str, root: Path, where: str, inside: Inside, absent: list[str] | None) -> str:
    """Return a manifest's path in its shortest form, if it names a file below the manifest's folder.

    absent: takes the paths of files that do not exist, up to MAX_ABSENT; None where there may be none.
    """
    if "\\" in text and text[1:3] != ":\\" and not os.path.lexists(root / text):  # written on Windows
        text = text.replace("\\", "/")
    path = PurePosixPath(text)
    if "://" in text:
        raise DataError(f"{where}: '{printable(text)}' is a URL; download it and list the file")
    if not inside.outside and (path.is_absolute() or ".." in path.parts or text[1:3] == ":\\"):
        raise DataError(
            f"{where}: '{printable(text)}' leaves the CSV's folder; use paths relative to it, without .., "
            "or pass --allow-outside-root"
        )
    if inside.holds(root / path):
        return path.as_posix()
    there = os.path.lexists(root / path)
    if there or absent is None:
        place = "" if inside.outside else " inside the CSV's folder"
        fault = f"is not a file{place}" if there else "does not exist"
        raise DataError(f"{where}: '{printable(text)}' {fault}; correct the path or remove the row")
    absent.append(path.as_posix())
    if len(absent) > MAX_ABSENT:
        raise DataError(
            f"{where}: more than {MAX_ABSENT} of its files do not exist, the first is '{printable(absent[0])}'; "
            "correct the paths, which are relative to the CSV's folder"
        )
    return path.as_posix()
