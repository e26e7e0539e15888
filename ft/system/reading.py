"""Files that are read back: looked at before they are opened, bounded, and every value checked before it is used.

What a file may hold is a table, key -> check, of the checks below. Whatever else it holds is a RunError of one line:
the file, the key, what was found and what is expected.
"""

import io
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ft.errors import RunError, printable

JSON_BYTES = 1 << 23  # of a file that is one JSON object
TABLE_BYTES = 1 << 28  # of a file with a line for each image
DEPTH = 20  # of lists and objects in each other
NAME = 4096  # characters of a name
COUNT = 10**12  # no run has so many steps, images or seconds
MEND = "put back the file that was written there"

Part = tuple[str, Any, "Check"]  # key, value, what it must be


@dataclass(frozen=True)
class Check:
    """What a value must be: in words, as a test, and by its parts, which are looked at if the test holds.

    needed: whether the key must be there.
    """

    expected: str
    holds: Callable[[Any], bool]
    parts: Callable[[Any], Iterable[Part]] = lambda value: ()
    needed: bool = True


def whole(low: int = 0, high: int = COUNT) -> Check:
    """Return a check for a whole number."""
    return Check(f"a whole number from {low} to {high}", lambda x: type(x) is int and low <= x <= high)


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """Return a check for a finite number."""
    bounds = [f"from {low:g}"] * math.isfinite(low) + [f"to {high:g}"] * math.isfinite(high)
    return Check(" ".join(["a finite number", *bounds]), lambda x: is_finite(x) and low <= x <= high)


def is_finite(value: Any) -> bool:
    """Tell whether a value is a number that a float can hold."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def text(longest: int = NAME) -> Check:
    """Return a check for text; no path and no name of a class has a zero byte."""
    return Check(f"text of up to {longest} characters", lambda x: isinstance(x, str) and fits(x, longest))


def fits(value: str, longest: int) -> bool:
    """Tell whether text is neither empty nor too long, and could be part of a path."""
    return 0 < len(value) <= longest and "\0" not in value


def one_of(*words: Any) -> Check:
    """Return a check for one of a few values."""
    return Check(f"one of {', '.join(map(str, words))}", lambda x: any(type(x) is type(w) and x == w for w in words))


DIGEST = Check(
    "64 hexadecimal digits", lambda x: isinstance(x, str) and len(x) == 64 and set(x) <= set("0123456789abcdef")
)
FLAG = Check("true or false", lambda x: isinstance(x, bool))
ANYTHING = Check("a value of JSON", lambda x: True)
OBJECT = Check("an object", lambda x: isinstance(x, dict))


def optional(check: Check) -> Check:
    """Return the check of a key that may be missing."""
    return replace(check, needed=False)


def or_null(check: Check) -> Check:
    """Return a check that null passes, too."""
    return replace(
        check,
        expected=f"{check.expected}, or null",
        holds=lambda x: x is None or check.holds(x),
        parts=lambda x: () if x is None else check.parts(x),
    )


def items(check: Check, *, least: int = 0, most: int = 10**6) -> Check:
    """Return a check for a list of such values."""
    return Check(
        f"a list of {least} to {most}, each {check.expected}",
        lambda x: isinstance(x, list) and least <= len(x) <= most,
        lambda x: ((str(i), value, check) for i, value in enumerate(x)),
    )


def row_of(*checks: Check) -> Check:
    """Return a check for a list with one value for each check."""
    return Check(
        f"a list of {len(checks)}",
        lambda x: isinstance(x, list) and len(x) == len(checks),
        lambda x: ((str(i), value, check) for i, (value, check) in enumerate(zip(x, checks, strict=True))),
    )


def named(check: Check) -> Check:
    """Return a check for an object whose values are all alike, whatever their keys."""
    return replace(OBJECT, parts=lambda x: ((key, value, check) for key, value in x.items()))


def table(checks: Mapping[str, Check], *, others: Check | None = ANYTHING) -> Check:
    """Return a check for an object with these keys; others: what further ones must hold, None: there are none."""

    def parts(values: Mapping[str, Any]) -> Iterator[Part]:
        for key, check in checks.items():
            if key in values:
                yield key, values[key], check
            elif check.needed:
                yield key, MISSING, check
        for key in values.keys() - checks.keys():
            yield key, values[key], others or Check("no such key", lambda x: False)

    return replace(OBJECT, parts=parts)


MISSING = object()


def require(value: Any, check: Check, where: object) -> Any:
    """Return `value` if it passes the check; RunError with the first part that does not. where: file, perhaps line."""
    waiting: list[Part] = [("", value, check)]
    while waiting:
        key, item, needed = waiting.pop()
        if item is MISSING or not needed.holds(item):
            raise unfit(where, key, item, needed.expected)
        waiting += [(f"{key}.{name}" if key else name, part, each) for name, part, each in needed.parts(item)][::-1]
    return value


def unfit(where: object, key: str, value: Any, expected: str) -> RunError:
    """Return the error of a value that is not what it must be."""
    what = f": key '{shortened(key)}'" if key else ""
    return RunError(f"{printable(where)}{what}: found {shown(value)}, expected {expected}; {MEND}")


def shown(value: Any) -> str:
    """Return a value in a few words."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return shortened(json.dumps(value, ensure_ascii=False))


def shortened(value: str, longest: int = 60) -> str:
    """Return the beginning of a text, printable."""
    return printable(value if len(value) <= longest else f"{value[: longest - 3]}...")


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file for reading; a pipe or a device is refused before it can block. OSError, or RunError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(f"{printable(path)}: found a folder, a pipe or a device, expected a regular file; {MEND}")
    return open(descriptor, "rb")


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return the content of a regular file of up to `most` bytes. OSError, or RunError for any other."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RunError(f"{printable(path)}: found {size} bytes, expected at most {most}; {MEND}")
        return file.read(size)  # not `most`, for which Python would ask memory at once


def read_json(path: Path, check: Check, *, most: int = JSON_BYTES) -> Any:
    """Return the checked value of a JSON file. OSError where it cannot be read, RunError where it is otherwise."""
    return require(parsed(read_bytes(path, most=most), path), check, path)


def parsed(content: bytes, where: object) -> Any:
    """Return the value of JSON in UTF-8: no key twice, finite numbers, not deep; RunError for anything else."""
    try:
        value = json.loads(content, object_pairs_hook=unique, parse_constant=refused, parse_float=finite)
        if is_deep(value):
            raise ValueError(f"more than {DEPTH} lists or objects in each other")
        return value
    except (ValueError, RecursionError) as error:
        raise RunError(f"{printable(where)}: found no JSON ({reason(error)}), expected an object; {MEND}") from None


def reason(error: Exception) -> str:
    """Return what the parser says, in a few words."""
    return "too deep" if isinstance(error, RecursionError) else shortened(str(error))


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError where a key stands twice, of which readers take one or the other."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice")
    return values


def refused(word: str) -> float:
    """Raise ValueError for NaN and the infinities, which are no JSON."""
    raise ValueError(f"{word} is no number")


def finite(digits: str) -> float:
    """Return a float; ValueError where it is beyond all of them."""
    value = float(digits)
    return value if math.isfinite(value) else refused(digits)


def is_deep(value: Any) -> bool:
    """Tell whether lists and objects stand more than DEPTH deep in each other."""
    layer = [value]
    for _ in range(DEPTH):
        inner = [x.values() if isinstance(x, dict) else x for x in layer if isinstance(x, (dict, list))]
        layer = [part for parts in inner for part in parts if isinstance(part, (dict, list))]
        if not layer:
            return False
    return True
