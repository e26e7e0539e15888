"""Every way to spoil a value of JSON, a tensor or a file, for `mutate`."""

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VALUES: dict[str, Any] = {
    "null": None,
    "text": "x",
    "empty text": "",
    "zero byte": "a\0b",
    "a path": "../../etc",
    "long": "x" * 10**6,
    "true": True,
    "negative": -3,
    "huge": 10**8,
    "vast": 10**30,
    "fraction": 0.5,
    "list": [],
    "lists": [[1, "x"]],
    "object": {},
    "objects": {"a": {"b": None}},
}
TEXTS = {"NaN": "NaN", "infinite": "1e999", "deep": "[" * 10**5 + "]" * 10**5, "digits": "9" * 10**4}
MARK = "spoilt-here"
WHOLE = "as it was written"  # which every command must take
FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "binary": lambda content: random.Random(1).randbytes(len(content)),
    "zeros": lambda content: bytes(len(content)),
    "brackets": lambda content: b"[" * 10**6,
    "large": lambda content: content + b" " * (20 << 20),
    "not UTF-8": lambda content: content[:-2] + b"\xff\xfe",
    "twice": lambda content: content + content,
}
Case = tuple[str, str, Callable[[Path], None]]  # file, how, what spoils it


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value in a value; of a list only to the first and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for at in sorted({0, len(value) - 1} if value else ()):
            yield from places(value[at], (*path, at))


def spoilt(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with another value at a path; `new` is called with the place that holds it."""
    copy = json.loads(json.dumps(value))
    home = copy
    for key in path[:-1]:
        home = home[key]
    new(home, path[-1])
    return copy


def drop(home: Any, key: Any) -> None:
    """Remove a key or an item."""
    del home[key]


def put(new: Any) -> Callable[[Any, Any], None]:
    """Return what puts another value into its place."""

    def put_in(home: Any, key: Any) -> None:
        home[key] = new

    return put_in


def of_json(value: Any) -> Iterator[tuple[str, str]]:
    """Yield how a JSON value is spoilt, and its text."""
    for path in places(value):
        where = ".".join(map(str, path))
        yield f"{where} dropped", json.dumps(spoilt(value, path, drop))
        for name, new in VALUES.items():
            yield f"{where} {name}", json.dumps(spoilt(value, path, put(new)))
        marked = json.dumps(spoilt(value, path, put(MARK)))
        for name, text in TEXTS.items():
            yield f"{where} {name}", marked.replace(f'"{MARK}"', text)
        if isinstance(path[-1], str):
            pair = f"{json.dumps(path[-1])}: "
            yield f"{where} twice", marked.replace(f'{pair}"{MARK}"', f"{pair}1, {pair}2")


def of_safetensors(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield how the header of a safetensors file is spoilt, and its content. The length of the header is kept right."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    for how, text in of_json(header):
        padded = text.encode() + b" " * max(0, length - len(text.encode()))
        yield how, len(padded).to_bytes(8, "little") + padded + data


def of_file(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield how a file is spoilt, and its content."""
    content = path.read_bytes()
    for name, spoil in FILES.items():
        yield name, spoil(content)
    if path.suffix == ".json":
        for how, text in of_json(json.loads(content)):
            yield how, text.encode("utf-8", "surrogatepass")
    elif path.suffix == ".jsonl":
        lines = content.decode().splitlines()
        for number in (0, next(i for i, line in enumerate(lines) if "epoch_end" in line)):
            for how, text in of_json(json.loads(lines[number])):
                yield f"line {number} {how}", "\n".join([*lines[:number], text, *lines[number + 1 :], ""]).encode()
    elif path.suffix == ".safetensors":
        yield from of_safetensors(content)
    elif path.suffix == ".csv":
        rows = [line.split(",") for line in content.decode().splitlines()]
        for row, column in ((0, 0), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (len(rows) - 1, 3)):
            for name, cell in {**VALUES, **TEXTS, "quote": '"', "bars": "|||"}.items():
                lines = [[*each] for each in rows]
                lines[row][column] = str(cell)
                yield f"row {row} column {column} {name}", "\n".join(map(",".join, lines)).encode()
    elif path.suffix == ".yaml":
        lines = content.decode().splitlines()
        for number, line in enumerate(lines):
            key = line.partition(":")[0]
            for name, new in {**VALUES, **TEXTS}.items():
                text = new if isinstance(new, str) else json.dumps(new)
                yield f"{key} {name}", "\n".join([*lines[:number], f"{key}: {text}", *lines[number + 1 :]]).encode()


def kinds(path: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield what else may stand in the place of a file."""

    def instead(make: Callable[[Path], Any]) -> Callable[[Path], None]:
        def spoil(place: Path) -> None:
            place.unlink()
            make(place)

        return spoil

    yield "missing", instead(lambda place: None)
    yield "pipe", instead(os.mkfifo)
    yield "folder", instead(Path.mkdir)
    yield "link to a device", instead(lambda place: place.symlink_to("/dev/zero"))
    yield "link to itself", instead(lambda place: place.symlink_to(place.name))
    yield "sparse", lambda place: os.truncate(place, 1 << 34)


def written(content: bytes) -> Callable[[Path], None]:
    """Return what writes this content."""
    return lambda place: (place.write_bytes(content), None)[1]
