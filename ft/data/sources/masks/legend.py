"""classes.txt: the names of the classes of masks, and the value or the colour of each.

    cat              one name a line: the values are 0, 1, 2 and so on
    255 cat          value and name
    cat 128 0 0      name, red, green and blue
    cat:128,0,0::    the same, as CVAT writes labelmap.txt

A name may hold blanks. Two lines with one name are one class, and what is called `ignore` is no class. Lines that begin
with # are comments.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ft.data.sources.beside import read_lines
from ft.data.sources.listing import Inside
from ft.data.sources.mask import IGNORED, MOST, Coding
from ft.errors import DataError, printable

FILES = ("classes.txt", "labelmap.txt", "class_names.txt")  # ours, CVAT's and labelme's
LONGEST, MOST_LINES = 300, 10_000  # what names the classes of masks is short
IGNORE = ("ignore", "__ignore__")
COLOUR = re.compile(r"(.+?)[\s:,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?::.*)?")
VALUE = re.compile(r"(\d{1,5})[\s,:]+(.+)")


def find_legend(folder: Path, inside: Inside) -> Path | None:
    """Return the file that names the classes in a folder, None where there is none."""
    return next((folder / name for name in FILES if inside.holds(folder / name)), None)


def read_legend(path: Path, ignore_index: int) -> tuple[tuple[str, ...], Coding]:
    """Return the names of the classes in their order, and the coding of their values; DataError of one line."""
    lines = legend_lines(path)
    for pattern, colours in ((COLOUR, True), (VALUE, False)):
        matches = [pattern.fullmatch(text) for _, text in lines]
        if all(matches):
            rows = [
                row_of(m, colours, f"{printable(path)} line {n}") for (n, _), m in zip(lines, matches, strict=True) if m
            ]
            return coded_rows(rows, ignore_index, path, colours=colours)
        if any(matches) and (odd := odd_line(lines, matches)):
            raise DataError(f"{printable(path)} {odd}")
    names = [text for _, text in lines if text not in IGNORE]
    return coded_rows(list(zip(range(len(names)), names, strict=True)), ignore_index, path, colours=False)


def legend_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers."""
    numbered = [(number, line.strip()) for number, line in enumerate(read_lines(path), 1)]
    numbered = [(number, text) for number, text in numbered if text and not text.startswith("#")]
    long = next((number for number, text in numbered if len(text) > LONGEST), None)
    if long is not None or len(numbered) > MOST_LINES:
        at = f"line {long} has more than {LONGEST} characters" if long else f"more than {MOST_LINES} lines"
        raise DataError(f"{printable(path)}: {at}; expected the name of a class in each line")
    if not numbered:
        raise DataError(f"{printable(path)}: empty; expected the name of a class in each line")
    return numbered


def odd_line(lines: Sequence[tuple[int, str]], matches: Sequence[re.Match[str] | None]) -> str:
    """Return what is said of the first line that is not written as the others are."""
    number, text = next(line for line, match in zip(lines, matches, strict=True) if match is None)
    if sum(match is not None for match in matches) * 2 < len(lines):  # a name like "4 seasons" among names
        return ""
    return f"line {number}: '{printable(text)}'; expected every line as name, as value name, or as name r g b"


def row_of(match: re.Match[str], colours: bool, where: str) -> tuple[int, str]:
    """Return the value and the name of a line."""
    if not colours:
        return int(match[1]), match[2].strip()
    red, green, blue = (int(match[i]) for i in (2, 3, 4))
    if max(red, green, blue) > 255:
        raise DataError(f"{where}: colour {red} {green} {blue}; expected three numbers from 0 to 255")
    return red << 16 | green << 8 | blue, match[1].strip()


def coded_rows(
    rows: Sequence[tuple[int, str]], ignore_index: int, path: Path, *, colours: bool
) -> tuple[tuple[str, ...], Coding]:
    """Return names and coding of values with a name each. A value that is listed is not ignored."""
    names = list(dict.fromkeys(name for _, name in rows if name not in IGNORE))
    require_few(len(names), printable(path))
    coding = {} if colours else {ignore_index: IGNORED}
    listed: dict[int, str] = {}
    for value, name in rows:
        if listed.setdefault(value, name) != name:
            shown = f"#{value:06x}" if colours else value
            raise DataError(
                f"{printable(path)}: {shown} is both '{printable(listed[value])}' and '{printable(name)}'; name it once"
            )
        coding[value] = IGNORED if name in IGNORE else names.index(name)
    return tuple(names), Coding(coding, colours)


def require_few(count: int, where: str) -> None:
    """Raise DataError where there are more classes than a mask has numbers for."""
    if count > MOST:
        raise DataError(f"{where}: {count} classes; at most {MOST} fit into a mask, merge some")
    if not count:
        raise DataError(f"{where}: no classes; name at least two")
