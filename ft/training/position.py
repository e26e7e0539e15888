"""Where a training stands."""

from dataclasses import dataclass, field
from typing import Any

from ft.tasks.task import Score
from ft.training.schedule import Plateau


@dataclass
class Position:
    """Where a training stands. A checkpoint holds it, and the next batch follows from it."""

    step: int = 0  # updates done
    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the epoch at hand
    loss_sum: float = 0.0  # of the epoch at hand, over its images
    images: int = 0
    right: int | None = 0  # of these images, in their steps; None: they were not counted from the first on
    best_score: float = -1.0  # says nothing before there is a best epoch
    best_epoch: int = 0
    seconds: float = 0.0  # since the run began, but for the time between its sessions
    ranked: list[list[float]] = field(default_factory=list)  # score, epoch, step of the epochs to average, best first
    plateau: Plateau = field(default_factory=Plateau)

    def steps_of(self, epoch_length: int) -> int:
        """Return how many steps lead here where an epoch has so many: `step`, unless the images or the batches are not
        those that the training began with.
        """
        return self.epoch * epoch_length + min(self.batch, epoch_length)

    def rank(self, score: Score, value: float, *, keep: int) -> None:
        """Take in the score of the epoch that ended; keep: so many of the best epochs are to be averaged."""
        if score.is_better(value, self.best_score if self.best_epoch else None):
            self.best_score, self.best_epoch = value, self.epoch
        if keep:
            ranked = [*self.ranked, [value, self.epoch, self.step]]
            self.ranked = sorted(ranked, key=lambda row: (score.place(row[0]), row[1]))[:keep]

    def count(self, images: int, *, loss: float, right: int) -> None:
        """Add a step to the epoch at hand: its images, their mean loss, and how many of them were right."""
        self.images += images
        self.loss_sum += loss * images
        self.right = None if self.right is None else self.right + right

    def begin_epoch(self) -> None:
        """Count anew."""
        self.batch, self.loss_sum, self.images, self.right = 0, 0.0, 0, 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Position":
        """Return the position that a checkpoint holds; one of before there were plateaus has none, one of before there
        were other scores has best_top1, and one of before right samples were counted has none of its epoch.
        """
        renamed = {"best_score" if name == "best_top1" else name: value for name, value in values.items()}
        right = values.get("right", None if values.get("images") else 0)
        return cls(**{**renamed, "right": right, "plateau": Plateau(**values.get("plateau", {}))})
