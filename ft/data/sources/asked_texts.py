"""Texts that a network is asked about, without labels: a text itself, a table, a file of text, all files of a folder.

A word that names what exists is a path, and so is one without a blank that ends as such a file does; every other word
is a text itself. A table, .csv or .tsv, has a column text and perhaps text_pair; a .txt file is one text.
"""

import csv
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ft.data.sources.beside import read_beside
from ft.data.sources.dataset import Sample
from ft.data.sources.listing import name_bytes
from ft.data.sources.pictures import Pictures
from ft.data.sources.text import Text
from ft.data.sources.texts.raw import LARGEST
from ft.errors import DataError, printable
from ft.system.reading import shortened

TABLES = {".csv": ",", ".tsv": "\t"}
FILE = ".txt"
EXPECTED = "expected a .csv or .tsv with a column text, a .txt, a folder of .txt, or a text itself"
NAME = 60  # characters of a text that name it


def find_texts(what: str | Path) -> Pictures:
    """Return what a word stands for: at least one text, or DataError."""
    word = os.fspath(what)
    path = Path(os.path.expanduser(word))
    if not isinstance(what, Path) and not is_path(word):
        return Pictures([Sample(printable(word)[:NAME].strip() or "''", 0, Text(word))], several=False)
    if os.path.isdir(path):
        return in_folder(path)
    if not os.path.isfile(path):
        raise DataError(f"{printable(word)}: does not exist; {EXPECTED}")
    if path.suffix.lower() in TABLES:
        return Pictures(in_table(path), several=True)
    if path.suffix.lower() != FILE:
        raise DataError(f"{printable(word)}: a file that ends in '{printable(path.suffix)}'; {EXPECTED}")
    return Pictures([Sample(word, 0, Text(read(path)))], several=False)


def is_path(word: str) -> bool:
    """Tell whether a word is a path, by the rule above."""
    named = not any(c.isspace() for c in word) and Path(word).suffix.lower() in (*TABLES, FILE)
    return named or os.path.exists(os.path.expanduser(word))


def in_folder(root: Path) -> Pictures:
    """Return the .txt files below a folder, in the order of the bytes of their names."""
    names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix.lower() == FILE and p.is_file()]
    if not names:
        raise DataError(f"{printable(root)}: a folder without .txt files at any depth; {EXPECTED}")
    ordered = sorted(names, key=name_bytes)
    return Pictures([Sample(name, 0, Text(read(root / name))) for name in ordered], several=True)


def in_table(path: Path) -> list[Sample]:
    """Return the texts that a table lists, in its order."""
    before = csv.field_size_limit(sys.maxsize)  # a text may be longer than the module csv has it
    try:
        rows = csv.reader(io.StringIO(read(path), newline=""), delimiter=TABLES[path.suffix.lower()])
        header = [cell.strip().lower() for cell in next(rows, [])]
        if "text" not in header:
            columns = shortened(",".join(header), 200) or "nothing"
            raise DataError(f"{printable(path)} line 1: the columns are '{columns}'; expected text, perhaps text_pair")
        lines = [(rows.line_num, dict(zip(header, row, strict=False))) for row in rows if row]
    except csv.Error as error:
        raise DataError(f"{printable(path)} line {rows.line_num}: {error}; expected a table") from None
    finally:
        csv.field_size_limit(before)
    if not lines:
        raise DataError(f"{printable(path)}: no rows; expected a text in each")
    return [Sample(f"line {line}", 0, Text(row.get("text", ""), row.get("text_pair"))) for line, row in lines]


def read(path: Path) -> str:
    """Return the text of a file; DataError where it cannot be read or is no UTF-8."""
    try:
        return read_beside(path, most=LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)}: byte {error.start} is no UTF-8; save it as UTF-8") from None


def all_texts(words: Iterable[str]) -> Pictures:
    """Return what all words of a command line stand for, in their order; what a table or a folder holds by its path."""
    samples: list[Sample] = []
    for word in words:
        named = find_texts(word)
        samples += [Sample(f"{word}: {s.name}", 0, s.source) for s in named.samples] if named.several else named.samples
    require_alike(samples)
    return Pictures(samples, several=True)


def require_alike(samples: Iterable[Sample]) -> None:
    """Raise DataError where some are pairs of texts and others are not."""
    first: dict[bool, str] = {}
    for sample in samples:
        first.setdefault(sample.source.pair is not None, sample.name)  # pyright: ignore - they are texts
    if len(first) == 2:
        raise DataError(f"'{first[True]}' is a pair of texts, '{first[False]}' is one text; ask about each kind alone")
