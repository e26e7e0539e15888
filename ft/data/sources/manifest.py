"""A CSV manifest, path,label[,split] with paths relative to its folder -> its listing.

A cell `cat|dog` holds two labels, an empty one none. Where such a cell is, the manifest is multi-label: every cell is
a set of names, without the blanks around them. Elsewhere a label is the text of its cell, blanks included.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ft.data.sources.listing import SPLITS, Entry, Inside, Listing, name_bytes
from ft.errors import DataError, printable
from ft.metrics.multilabel import BETWEEN, Labels

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
    for line, row in read_rows(path):
        where = f"{printable(path)} line {line}"
        name = check_path(row["path"], root, where, inside, absent)
        if name in seen:
            raise DataError(f"{where}: '{printable(name)}' is in line {seen[name]} already; keep one of the two")
        seen[name] = line
        if BETWEEN in row["label"] or not row["label"].strip():
            if labels == "one":
                raise DataError(not_one(row["label"], name, where))
            multilabel = True
        split = row.get("split", "")
        if "split" in row and split not in SPLITS:
            raise DataError(f"{where}: split '{printable(split)}'; expected train or val")
        entries.append(Entry(SPLITS.get(split, ""), row["label"], name, root / name))
    if multilabel:
        lines = seen.values()
        entries = [as_set(e, f"{printable(path)} line {line}") for e, line in zip(entries, lines, strict=True)]
    return Listing(path.stem, entries, multilabel=multilabel)


def not_one(cell: str, name: str, where: str) -> str:
    """Return what is said of a cell with several labels, or none, where each image must have one."""
    if cell.strip():
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
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: '{printable(twice)}' twice in '{printable(entry.label)}'; name each label once")
    names = sorted(names, key=name_bytes)
    return replace(entry, label=BETWEEN.join(names), several=tuple(names))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the columns of each row of a CSV in UTF-8, with or without BOM, without blank lines."""
    line = 1  # a row may take several; an error of the reader is told with the last one that it understood
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if not {"path", "label"} <= set(header) or len(set(header)) < len(header):
                raise DataError(
                    f"{printable(path)} line 1: the header is '{printable(','.join(header))}'; "
                    "expected path,label or path,label,split with commas between"
                )
            for row in reader:
                line = reader.line_num
                if row and len(row) != len(header):
                    raise DataError(
                        f"{printable(path)} line {line}: {len(row)} columns, the header has "
                        f"{len(header)}; quote fields that hold commas"
                    )
                if row:
                    yield line, dict(zip(header, row, strict=True))
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend its permissions") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{printable(path)} after line {line}: not CSV in UTF-8 ({error}); save it as CSV UTF-8 with commas"
        ) from None


def check_path(text: str, root: Path, where: str, inside: Inside, absent: list[str] | None) -> str:
    """Return a manifest's path in its shortest form, if it names a file below the manifest's folder.

    absent: takes the paths of files that do not exist, up to MAX_ABSENT; None where there may be none.
    """
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
        found = "is not a file inside the CSV's folder" if there else "does not exist"
        raise DataError(f"{where}: '{printable(text)}' {found}; correct the path or remove the row")
    absent.append(path.as_posix())
    if len(absent) > MAX_ABSENT:
        raise DataError(
            f"{where}: more than {MAX_ABSENT} of its files do not exist, the first is '{printable(absent[0])}'; "
            "correct the paths, which are relative to the CSV's folder"
        )
    return path.as_posix()
