"""A table of texts -> what it holds: a CSV, a TSV, or an object a line in JSON.

Columns may be written in any case and by other names, see ROLES. Blanks around a cell are no part of it. In a TSV
quotes are characters like any other. In JSON a label may be text, a number, yes or no, or a list of several; a text may
come in words, with a tag for each.
"""

import csv
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft.data.sources.listing import SPLITS
from ft.data.sources.manifest import HEADER, parse_rows
from ft.data.sources.manifest import ROLES as OF_IMAGES
from ft.data.sources.text import Text
from ft.data.sources.texts.raw import RawText, fault_of, read_utf8
from ft.errors import DataError, listed, printable
from ft.metrics.multilabel import BETWEEN, Labels
from ft.system.reading import is_deep, shortened

ROLES: Mapping[str, tuple[str, ...]] = {  # column -> its names, in any case, the likeliest first
    "text": ("text", "sentence", "review", "content", "text1", "sentence1", "premise", "question1", "question"),
    "pair": ("text_pair", "pair", "text2", "sentence2", "hypothesis", "question2"),
    "label": ("label", "class", "category", "target", "labels", "score"),
    "split": ("split",),
}
WORDS, TAGS = ("tokens", "words"), ("tags", "ner_tags", "labels")  # keys of JSON, where each word has a label
Row = tuple[int, Mapping[str, Any]]


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    """Return the header and the rows of a CSV."""
    return read_cells(path, strict=True, skipinitialspace=True)


def read_tsv(path: Path) -> tuple[list[str], list[Row]]:
    """Return the header and the rows of a table with tabs between."""
    return read_cells(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_cells(path: Path, **format: Any) -> tuple[list[str], list[Row]]:
    """Return the header and the rows of a table in a format of the module csv."""
    with long_cells():
        header, rows = parse_rows(io.StringIO(read_utf8(path), newline=""), path, **format)
    folded = [name.lower() for name in header]
    twice = next((name for name, count in Counter(folded).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{printable(path)} line 1: two columns '{printable(twice)}'; name each once")
    return folded, [(line, dict(zip(folded, row, strict=True))) for line, row in rows]


@contextmanager
def long_cells() -> Iterator[None]:
    """Let the module csv read cells of any length: a text may have more than its 128 kB."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_json_lines(path: Path) -> tuple[list[str], list[Row]]:
    """Return the keys that occur, and every line as an object."""
    rows: list[Row] = []
    for number, line in enumerate(read_utf8(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if is_deep(value):
                raise RecursionError
        except (ValueError, RecursionError) as error:
            said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise DataError(f"{printable(path)} line {number}: no JSON ({said}); expected an object a line") from None
        if not isinstance(value, dict):
            raise DataError(
                f"{printable(path)} line {number}: {type(value).__name__} in JSON; expected an object a line, such as "
                '{"text": "...", "label": "..."}'
            )
        rows.append((number, {key.strip().lower(): each for key, each in value.items()}))
    return list(dict.fromkeys(key for _, row in rows for key in row)), rows


READERS: Mapping[str, Callable[[Path], tuple[list[str], list[Row]]]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}


def is_table_of_texts(path: Path) -> bool:
    """Say whether a CSV's header has a column of texts and none of paths; tables of other kinds hold nothing else."""
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() in READERS
    try:
        with path.open("rb") as file:  # what is no UTF-8 is told where it is read
            header = file.readline(HEADER).decode(errors="ignore").replace("\0", "").lstrip("\ufeff")
    except OSError:
        return False
    cells = {cell.strip().strip('"').lower() for cell in header.split(",")}
    return not cells.isdisjoint(ROLES["text"]) and cells.isdisjoint(dict(OF_IMAGES)["path"])


def labels_in_table(path: Path) -> Labels:
    """Return what labels a table has, by its columns and what they hold, see `labels_in_source`."""
    header, rows = READERS[path.suffix.lower()](path)
    column = {role: next((name for name in names if name in header), None) for role, names in ROLES.items()}
    if any(isinstance(row.get(name), list) for _, row in rows for name in WORDS):
        return "tags"
    if column["label"] is None:
        return "none"
    cells = {str(row.get(column["label"], "")) for _, row in rows}
    return "numbers" if all(map(is_number, cells)) and not all(float(c).is_integer() for c in cells) else "either"


def is_number(cell: str) -> bool:
    """Say whether a cell is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def list_table(path: Path, *, labels: Labels, prefix: str = "") -> list[RawText]:
    """Return the texts of a table. labels: "none" asks for none, "tags" for words with tags; prefix: of their names."""
    header, rows = READERS[path.suffix.lower()](path)
    roles = {role: next((name for name in names if name in header), None) for role, names in ROLES.items()}
    if labels == "tags":
        roles["text"], roles["label"], roles["pair"] = (
            next((name for name in names if name in header), None) for names in (WORDS, TAGS, ())
        )
    require_columns(path, header, roles, labels)
    return [found_in(row, roles, f"{printable(path)} line {line}", f"{prefix}line {line}") for line, row in rows]


def require_columns(path: Path, header: Sequence[str], roles: Mapping[str, str | None], labels: Labels) -> None:
    """Raise DataError where a table has no column of texts, or of labels where these are wanted."""
    missing = roles["text"] is None or (roles["label"] is None and labels != "none")
    if header and not missing:
        return
    word = "columns" if path.suffix.lower() in (".csv", ".tsv") else "keys"
    wanted = "tokens and tags, lists in JSON" if labels == "tags" else "text" + ", label" * (labels != "none")
    found = shortened(",".join(header), 200)
    raise DataError(
        f"{printable(path)} line 1: the {word} are '{found}'; expected {wanted}, and perhaps "
        + ("split" if labels == "tags" else "text_pair and split")
    )


def found_in(row: Mapping[str, Any], roles: Mapping[str, str | None], where: str, name: str) -> RawText:
    """Return the text of one row."""
    cells = {role: row.get(column) for role, column in roles.items() if column is not None}
    split = as_text(cells.get("split"), where, roles["split"]).lower()
    if roles["split"] is not None and split not in SPLITS:
        raise DataError(f"{where}: split '{printable(split)}'; expected train, val or test")
    words = cells.get("text")
    if isinstance(words, list):
        return found_words(words, cells.get("label"), SPLITS.get(split, ""), where, name)
    pair = as_text(cells["pair"], where, roles["pair"]) if "pair" in cells else None
    text = Text(as_text(words, where, roles["text"]), pair)
    label = as_label(cells["label"], where) if "label" in cells else None
    return RawText(name, where, text, label, SPLITS.get(split, ""), fault=fault_of(text, where))


def found_words(words: Sequence[Any], tags: Any, split: str, where: str, name: str) -> RawText:
    """Return a text that comes in words, with a tag each."""
    own = tags if isinstance(tags, list) else None
    if not all(isinstance(word, str) for word in words) or (own is not None and len(own) != len(words)):
        counts = f"{len(words)} tokens and {len(own or ())} tags"
        raise DataError(f"{where}: {counts}; expected lists of equal length, of words and of their tags")
    text = Text(tuple(words))
    named = None if own is None else tuple(as_label(tag, where) for tag in own)
    return RawText(name, where, text, None, split, tags=named, fault=fault_of(text, where))


def as_text(value: Any, where: str, column: str | None) -> str:
    """Return a cell that holds text, "" for none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: {column} is {printable(json.dumps(value))[:60]}; expected text")
    return value.strip()


def as_label(value: Any, where: str) -> str:
    """Return a label as text: several in one, as a cell of a CSV has them."""
    if isinstance(value, list):
        parts = [as_label(part, where) for part in value]
        odd = [part for part in parts if not part or BETWEEN in part]
        if odd:
            raise DataError(f"{where}: label {listed(map(repr, odd))} in a list; expected names without {BETWEEN}")
        return BETWEEN.join(parts)
    if isinstance(value, dict):
        raise DataError(f"{where}: label is an object; expected text, a number, or a list")
    return "" if value is None else value.strip() if isinstance(value, str) else json.dumps(value)
