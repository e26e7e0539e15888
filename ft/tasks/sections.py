"""What a task has to say on report.html: sections as data, which ft/report/training draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ft.metrics.calibration import Reliability
from ft.metrics.confusion import ClassScores

if TYPE_CHECKING:
    from ft.tasks.box_rows import Pictured
    from ft.tasks.pixel_rows import Worst


@dataclass(frozen=True)
class Answers:
    """How many samples were predicted, how many are right, and how many have the most frequent answer."""

    samples: int
    right: int
    most: int


@dataclass(frozen=True)
class ByClass:
    """Which classes: shares of each, and where a sample has one class, what it is taken for.

    columns: heading -> the share of every class, NaN for none; judged: the column that says which class is weak;
    support: samples of every class; note: a sentence on the columns; confusion: counts (K, K), as `confusion_of` has
    them; unit: what is counted; axes: the names of its rows and columns, where they are not the classes alone.
    """

    classes: Sequence[str]
    columns: dict[str, np.ndarray]
    judged: str
    support: np.ndarray
    note: str = ""
    confusion: np.ndarray | None = None
    unit: str = "images"
    axes: Sequence[str] | None = None


@dataclass(frozen=True)
class Calibration:
    """Whether it knows when it errs. unit: what has a probability, where that is not a sample."""

    reliability: Reliability
    unit: str | None = None


@dataclass(frozen=True)
class Mistake:
    """One wrong answer: the sample, what was said, its probability (0: something was only missed), what it is."""

    name: str
    said: str
    probability: float
    truth: str


@dataclass(frozen=True)
class Mistakes:
    """The wrong answers, the most confident one first."""

    rows: Sequence[Mistake]


@dataclass(frozen=True)
class WorstMasks:
    """Pictures with their masks, the lowest IoU first: name, mask and the predicted one; classes: what they are of.

    colours: those that the data has of the classes, see `palette`.
    """

    rows: Sequence[tuple[str, "Worst"]]
    classes: Sequence[str]
    colours: Sequence[int] = ()


@dataclass(frozen=True)
class WorstBoxes:
    """Pictures with their boxes and detections, that with most mistakes first; classes: what they are of."""

    rows: Sequence["Pictured"]
    classes: Sequence[str]


@dataclass(frozen=True)
class Curves:
    """Lines from 0 to 1 both ways, each with a name; x, y: what the axes are; note: a sentence on them."""

    heading: str
    x: str
    y: str
    lines: Sequence[tuple[str, np.ndarray, np.ndarray]]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Lines of figures under a heading, the first column being names; note: a sentence on them."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


Section = ByClass | Calibration | Mistakes | WorstMasks | WorstBoxes | Curves | Table


@dataclass(frozen=True)
class Page:
    """What a task says of the validation samples of a run. answers: None where none is simply right or wrong."""

    sections: tuple[Section, ...]
    answers: Answers | None = None


def scores_by_class(scores: ClassScores) -> dict[str, np.ndarray]:
    """Return the columns that precision, recall and F1 make."""
    return {"precision": scores.precision, "recall": scores.recall, "F1": scores.f1}
