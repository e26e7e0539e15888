"""What a chart is made of, and where its points lie."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

WIDTH, HEIGHT = 1060, 250


LEFT, RIGHT, TOP, BOTTOM = 62, 128, 26, 34  # margins: numbers left, names of the floors right, marks above, names below


@dataclass(frozen=True)
class Tick:
    """A label at a position along an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """One number; kind is its class on the page: "good" or "bad", or "a" or "b", the side that it belongs to."""

    x: float
    y: float
    kind: str
    radius: float
    label: str


@dataclass(frozen=True)
class Floor:
    """A horizontal line across the chart; kind: "bar" or "floor"."""

    y: float
    label: str
    label_y: float
    kind: str


@dataclass(frozen=True)
class Mark:
    """A vertical line where something happens, and its words: anchor says on which side, y how high."""

    x: float
    y: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """Everything to draw, in the units of the view box. words: what it shows, for who does not see it."""

    title: str
    words: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()  # class and points
    floors: tuple[Floor, ...] = ()
    marks: tuple[Mark, ...] = ()
    frame: tuple[float, float, float, float] = field(default=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))
    size: tuple[float, float] = (WIDTH, HEIGHT)


def points(places: Iterable[tuple[float, float]]) -> str:
    """Return the points of an SVG polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def linear_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers between two ends."""
    raw = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
