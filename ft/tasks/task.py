"""What a network learns to say of a sample, and what follows: figures, the score to train for, predictions, the page.

A task is one file of this room. The rest of the house asks the task, and never which one it is.
Outputs and targets are arrays by name whose first axis is the samples: {"logits": (N, K)}, {"labels": (N,)}; see
ft/data/targets.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np

from ft.metrics.detection import Found
from ft.metrics.multilabel import Labels
from ft.tasks.sections import Page

if TYPE_CHECKING:  # a report of a run of before reads neither YAML nor images
    from ft.backend.objective import Objective
    from ft.data import ImageBatches, Sample
    from ft.data.targets import Targets
    from ft.recipe import Recipe

Arrays = Mapping[str, np.ndarray]
LABEL_WORDS = {"numbers": "a number each", "none": "no labels"}  # kinds of labels, in words


@dataclass(frozen=True)
class Score:
    """The metric that `best`, `patience` and `average_best` follow, and how it is drawn.

    word: in a sentence; heading, axis: of a plot; page: over the chart of a page; scale: 100 where it is drawn in
    percent.
    """

    metric: str
    better: Literal["higher", "lower"]
    word: str
    heading: str
    axis: str
    page: str
    scale: float = 1

    def place(self, value: float | None) -> float:
        """Return what sorts values from the best to the worst; none yet, and what is not finite, come last."""
        if value is None or not np.isfinite(value):
            return np.inf
        return -value if self.better == "higher" else value

    def is_better(self, a: float | None, b: float | None) -> bool:
        """Tell whether `a` is better than `b`; None: none yet."""
        return self.place(a) < self.place(b)


@dataclass(frozen=True)
class Measure:
    """A figure: its name in log.jsonl and model.json, its heading for a person, and its format.

    format: "%", or as f-strings have it; told: in the line of an epoch.
    """

    name: str
    heading: str
    format: str
    told: bool = True

    def text(self, value: float) -> str:
        """Return the figure as a person reads it."""
        return percent(value) if self.format == "%" else format(value, self.format)


@dataclass(frozen=True)
class Share:
    """The metric that is the share of right samples: "right on" 90 % of them, where others guess the same "class"."""

    metric: str
    right: str
    guess: str


class Meter(ABC):
    """The figures of a split, batch by batch."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Samples so far."""

    @abstractmethod
    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add what another meter saw; in which order changes no more than the order of a sum."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """Return the task's measures, `loss` among them where the task has one."""

    @abstractmethod
    def by_class(self) -> dict[str, np.ndarray]:
        """Return what model.json keeps of every class, (K,), for what predictions.csv does not tell."""


class Told(Protocol):
    """A line of predictions.csv: the sample, what it is, what the network says."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> Any: ...

    @property
    def predicted(self) -> Any: ...


class PredictionTable(ABC):
    """predictions.csv, batch by batch."""

    @abstractmethod
    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch."""

    def merge(self, other: Self) -> None:
        """Add the lines of another table behind the own ones."""
        for name, rows in vars(other).items():
            getattr(self, name).extend(rows)

    @abstractmethod
    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write the table of the samples so far. names: of all of them."""

    @staticmethod
    @abstractmethod
    def read(folder: Path) -> Sequence[Told]:
        """Return the lines of predictions.csv."""

    @staticmethod
    @abstractmethod
    def agree(a: Any, b: Any) -> bool:
        """Tell whether two lines of one sample say the same."""


class Task(ABC):
    """What a network learns to say of a sample; the subclasses are final, and implement all that is abstract.

    name: in model.json and checkpoints; labels: what the data may hold, see ft/data/sources/dataset.py; answer: what a
    text network gives, see ft/zoo/text/card.py; measures: all
    that a meter gives, in the order of a page; logged: those of every epoch; share: the one that is a share of the
    samples, if one is; of_steps: the one that adds up from the samples which each step has right, if one does; loss,
    loss_axis: what the loss of an evaluation is, in a sentence, None where there is none, and at an axis; outputs: what
    an exported file gives, by name.
    """

    name: ClassVar[str]
    labels: ClassVar[Labels]
    answer: ClassVar[str] = "sequence"
    score: ClassVar[Score]
    measures: ClassVar[tuple[Measure, ...]]
    logged: ClassVar[tuple[Measure, ...]]
    share: ClassVar[Share | None]
    of_steps: ClassVar[str | None] = None
    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    loss: ClassVar[str | None]
    loss_axis: ClassVar[str]
    predictions: ClassVar[type[PredictionTable]]

    @property
    def told(self) -> tuple[str, ...]:
        """The metrics in the line of an epoch."""
        return tuple(measure.name for measure in self.logged if measure.told)

    def labels_in_words(self, classes: int) -> str:
        """Return what the labels are, of so many classes."""
        return LABEL_WORDS.get(self.labels) or ("1 class" if classes == 1 else f"{classes} classes")

    @abstractmethod
    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return what a network is to say of samples with these labels, see ft/data/targets.py. dtype: of shares."""

    def teach(self, *, classes: int, dtype: str) -> "Callable[[Sequence[Any]], Targets]":
        """Return `targets` for a training's classes and type."""
        return partial(self.targets, classes=classes, dtype=dtype)

    def batches(self) -> "type[ImageBatches]":
        """Return what makes batches of the samples."""
        from ft.data.batches.images import ImageBatches

        return ImageBatches

    def counts(self, samples: "Sequence[Sample]", classes: int) -> np.ndarray:
        """Return how often each class occurs in samples, int64 (K,): what balanced class weights are made of."""
        return np.bincount([label for sample in samples for label in sample.labels], minlength=classes)

    @abstractmethod
    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return what a training minimises. class_weights: what each class counts, in class order; None: alike."""

    @abstractmethod
    def meter(self, classes: Sequence[str]) -> Meter:
        """Return a meter that has seen nothing yet. classes: their names."""

    def require(self, recipe: "Recipe") -> None:  # noqa: B027 - most tasks refuse nothing
        """Raise RecipeError where a recipe asks for what has no meaning here."""

    @abstractmethod
    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return what to name of each sample where `top` classes are asked for: class and probability, best first."""

    def idle(self, targets: Arrays) -> str | None:
        """Return in words why nothing can be learnt from a batch, None where something can."""
        return None

    def masks(self, outputs: Arrays, targets: Arrays) -> "list[np.ndarray] | None":
        """Return the class of every pixel, uint8 (H, W) a sample, of its own size; None where that is no answer."""
        return None

    def boxes(self, outputs: Arrays, targets: Arrays) -> "list[Found] | None":
        """Return the detections on each sample in its own pixels, best first; None where that is no answer."""
        return None

    @abstractmethod
    def guess_columns(self, top: int) -> list[str]:
        """Return the columns of a table of guesses where `top` are asked for, behind the sample's name."""

    @abstractmethod
    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return what stands in these columns. guesses: names and probabilities, best first."""

    @abstractmethod
    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return what report.html says of the validation samples. folder: of the run; result: its model.json."""


def percent(share: float) -> str:
    """Return 0.9111 as "91.1 %"."""
    return f"{100 * share:.1f} %"
