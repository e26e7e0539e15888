"""A file of CoNLL's -> its sentences: a word a line, its tag in the last column, a blank line behind each sentence.

Columns have tabs between, where the first line of words has one, else blanks. Lines of -DOCSTART- are left aside, and
so are comments: lines before the first word of a sentence that begin with "# " and hold a "=", or have another number
of columns.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ft.data.sources.text import Text
from ft.data.sources.texts.raw import RawText, fault_of, read_utf8
from ft.errors import DataError, printable

START = "-DOCSTART-"
ENDINGS = {".conll", ".conllu", ".iob", ".iob2", ".bio", ".train", ".dev", ".valid", ".test", ".testa", ".testb"}
Line = tuple[int, list[str]]


def list_conll(path: Path, prefix: str = "") -> list[RawText]:
    """Return the sentences of a file, each by its first line."""
    return [found_in(sentence, path, prefix) for sentence in sentences_of(read_utf8(path).split("\n"), path)]


def sentences_of(lines: Sequence[str], path: Path) -> Iterator[list[Line]]:
    """Yield the words of each sentence with their lines and columns; DataError for a line with other columns."""
    first = next((line for line in lines if line.strip() and not is_aside(line)), "")
    between = "\t" if "\t" in first else None
    width = len(first.strip("\r").split(between))
    sentence: list[Line] = []
    for number, line in enumerate(lines, 1):
        cells = line.strip("\r").split(between)
        if not line.strip() or line.startswith(START):
            if sentence:
                yield sentence
            sentence = []
        elif sentence or not line.startswith("# ") or (len(cells) == width and "=" not in line):
            require_columns(cells, width, f"{printable(path)} line {number}")
            sentence.append((number, cells))
    if sentence:
        yield sentence


def is_aside(line: str) -> bool:
    """Say whether a line can say nothing about the columns."""
    return line.startswith((START, "# "))


def require_columns(cells: Sequence[str], width: int, where: str) -> None:
    """Raise DataError where a line has no word and tag, or other columns than the first."""
    if len(cells) < 2 or len(cells) != width or not cells[0].strip() or not cells[-1].strip():
        said = f"{len(cells)} column{'s' * (len(cells) != 1)}" + (f", the first line has {width}" if width > 1 else "")
        raise DataError(f"{where}: {said}; expected a word first and its tag last, and a blank line behind a sentence")


def found_in(sentence: Sequence[Line], path: Path, prefix: str) -> RawText:
    """Return a sentence as a text with tags."""
    number = sentence[0][0]
    words = tuple(cells[0].strip() for _, cells in sentence)
    where, text = f"{printable(path)} line {number}", Text(words)
    tags = tuple(cells[-1].strip() for _, cells in sentence)
    return RawText(f"{prefix}line {number}", where, text, tags=tags, fault=fault_of(text, where))


def looks_like_conll(path: Path) -> bool:
    """Say whether a file holds words with tags of entities: two columns at least, the last one such a tag."""
    try:
        with path.open("rb") as file:
            lines = [line.decode(errors="replace") for line in file.readlines(20_000)]
    except OSError:
        return False
    told = [line.split() for line in lines if line.strip() and not is_aside(line)]
    return bool(told) and all(len(cells) > 1 and (cells[-1] == "O" or cells[-1][1:2] == "-") for cells in told)
