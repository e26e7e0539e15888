"""Meters and tables as bytes, for the ranks that evaluate a split together: JSON, nothing that could run code.

What is received fills an object of the same kind, so only the rows of tables are made by name, of these classes alone.
"""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ft.metrics.detection import Found, PointScores, Scores, Truth
from ft.metrics.run_lengths import Runs
from ft.tasks.label_sets import LabelSet
from ft.tasks.pixel_rows import PixelRow, Worst
from ft.tasks.tag_rows import Tagged
from ft.tasks.text_rows import Told

KIND = "~"
KINDS = (LabelSet, PixelRow, Worst, Tagged, Told, Truth, Found, Scores, PointScores, Runs)
ROWS: dict[str, Any] = {kind.__name__: kind for kind in KINDS}
Sink = TypeVar("Sink")


def packed(values: Sequence[object]) -> bytes:
    """Return values, or what meters and tables have seen."""
    return json.dumps([encoded(value) for value in values]).encode()


def received(content: bytes) -> list[Any]:
    """Return the plain values that were packed, arrays among them."""
    return [decoded(value) for value in json.loads(content)]


def fill(sinks: Sequence[object], content: bytes) -> None:
    """Let new meters and tables of the same kinds have seen what was packed."""
    for sink, value in zip(sinks, json.loads(content), strict=True):
        decoded(value, sink)


def encoded(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        kind, array = ("array" if isinstance(value, np.ndarray) else "number"), np.ascontiguousarray(value)
        text = base64.b64encode(array.tobytes()).decode()
        return {KIND: kind, "dtype": array.dtype.str, "shape": list(np.shape(value)), "data": text}
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if type(value).__name__ in ROWS:
        items = [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else list(value)
        return {KIND: type(value).__name__, "items": [encoded(item) for item in items]}
    if isinstance(value, (tuple, dict)):
        items = [list(pair) for pair in value.items()] if isinstance(value, dict) else list(value)
        return {KIND: type(value).__name__, "items": [encoded(item) for item in items]}
    return {KIND: "object", "state": {name: encoded(item) for name, item in vars(value).items()}}


def decoded(value: Any, like: Any = None) -> Any:
    """Return what was encoded; of an object `like`, filled."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value[KIND]
    if kind == "object":
        for name, item in value["state"].items():
            setattr(like, name, decoded(item, getattr(like, name)))
        return like
    if kind in ("array", "number"):
        array = np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"]).copy()
        return array if kind == "array" else array[()]
    items = [decoded(item) for item in value["items"]]
    if kind in ROWS:
        return ROWS[kind](*items)
    return {"tuple": tuple, "dict": dict, "Counter": lambda pairs: Counter(dict(pairs))}[kind](items)
