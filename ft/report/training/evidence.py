"""What a run has to show for itself: its curves, its figures, and how much of them is chance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ft.recipe import deciding
from ft.report.plots import column
from ft.report.training.summary import unit_of
from ft.tasks import task_in
from ft.tasks.sections import Page
from ft.tasks.task import Share, Task

Row = Mapping[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Evidence:
    """A run by its model.json, the epochs of its log, and what its task says of the validation samples."""

    result: Mapping[str, Any]
    epochs: Sequence[Row]
    page: Page

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe, by field."""
        return self.result["recipe"]

    @property
    def unit(self) -> str:
        """The word for one sample."""
        return unit_of(self.result)

    @cached_property
    def task(self) -> Task:
        """What the network learnt to say."""
        return task_in(self.result)

    @property
    def share(self) -> Share | None:
        """The metric that is a share of right samples, where the task has one."""
        return self.task.share

    @property
    def score_is_share(self) -> bool:
        """Whether what the run was trained for is the share of right samples."""
        return self.share is not None and self.share.metric == self.task.score.metric

    @cached_property
    def val(self) -> np.ndarray:
        """The validation loss after every epoch."""
        return column(self.epochs, "val_loss")

    @property
    def has_val(self) -> bool:
        """Whether validation has a loss."""
        return self.task.loss is not None

    @cached_property
    def score(self) -> np.ndarray:
        """What the run was trained for, after every epoch; NaN where it is not known."""
        return column(self.epochs, self.task.score.metric)

    @cached_property
    def train(self) -> np.ndarray:
        """The training loss of every epoch since it is the measure that it was at the end."""
        measure, start = {*deciding("loss", "penalty", "pixels")}, 0
        for session in self.result.get("history", ())[1:]:
            start = session["epoch"] if measure & session["recipe"].keys() else start
        losses = column(self.epochs[start:], "loss")
        return losses[np.isfinite(losses)]

    @property
    def guess_loss(self) -> float:
        """The loss of saying the same of every sample: of all classes alike, or else the first that was measured."""
        classes = len(self.result.get("classes", ()))
        if self.share is None or classes < 2:
            return float(self.val[0] if self.has_val else self.train[0])
        return math.log(2 if self.task.labels == "sets" else classes)

    @property
    def kept(self) -> int:
        """The epoch that the final weights are of."""
        return self.result.get("epoch") or self.epochs[-1]["epoch"]

    @property
    def val_count(self) -> int:
        """How many samples were validated on."""
        return self.result["data"]["val"]

    def right(self, part: str) -> float | None:
        """Return the share of right samples in "train_metrics" or "metrics", where it was measured."""
        metrics = self.result.get(part)
        return metrics.get(self.share.metric) if metrics and self.share else None

    def section(self, kind: type[Kind]) -> Kind | None:
        """Return the section of the page of this kind."""
        return next((section for section in self.page.sections if isinstance(section, kind)), None)


def error_of(share: float, count: int) -> float:
    """Return the standard error of a share of so many samples."""
    return math.sqrt(share * (1 - share) / count)


def error_between(a: float, of_a: int, b: float, of_b: int) -> float:
    """Return the standard error of the difference of two shares of so many samples."""
    return math.hypot(error_of(a, of_a), error_of(b, of_b))


def interval(share: float, count: int) -> tuple[float, float]:
    """Return between what the true share lies where two standard errors are taken for chance (Wilson's interval)."""
    z = 2.0
    middle, width = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)
