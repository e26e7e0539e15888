"""The one training loop: epochs, evaluation, log and checkpoints, the same for both wings."""

import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ft import checkpoint
from ft.backend import Learner
from ft.data import Batch, Batches
from ft.errors import RunError, listed
from ft.freeze import Freeze, plan_at
from ft.job import Job
from ft.metrics import Metrics, softmax
from ft.progress import Progress
from ft.runfolder import Log
from ft.schedule import Plateau, rate_of
from ft.signals import Interrupted, StopRequest

FETCH_EVERY = 10  # steps whose probes stay on the device before they are read: reading one waits for its step


class Source(Protocol):
    """Batches of pixels, or of the features that a frozen base made of them."""

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]: ...


class FeatureBatches:
    """The same batches with the base's features, computed in one pass, in place of the pixels."""

    def __init__(self, batches: Batches, learner: Learner) -> None:
        self.batches = batches
        in_order = batches.in_order()
        self.features = np.concatenate([learner.features(batch.images) for batch in in_order.epoch(0)])

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on."""
        for number, indices in islice(enumerate(self.batches.plan(epoch)), start, None):
            yield Batch(self.features[indices], self.batches.labels[indices], indices, number)


@dataclass
class Position:
    """Where a training stands. A checkpoint holds it, and the next batch follows from it."""

    step: int = 0  # updates done
    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the epoch at hand
    loss_sum: float = 0.0  # of the epoch at hand, over its images
    images: int = 0
    best_top1: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    plateau: Plateau = field(default_factory=Plateau)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Position":
        """Return the position that a checkpoint holds; one of before there were plateaus has none."""
        return cls(**{**values, "plateau": Plateau(**values.get("plateau", {}))})


@dataclass(frozen=True)
class Evaluation:
    """The result of a network on a split: metrics, and the logits (N, classes) that they come from."""

    metrics: dict[str, Any]  # top1, loss, and top5 (None up to five classes)
    logits: np.ndarray
    labels: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The class of the largest logit, the first one where several are equal."""
        return self.logits.argmax(1)

    @property
    def probability(self) -> np.ndarray:
        """The probability of the predicted class."""
        return softmax(self.logits).max(1)


def evaluate(learner: Learner, source: Source) -> Evaluation:
    """Run a split through the network in inference mode."""
    metrics, logits, labels = Metrics(), [], []
    for batch in source.epoch(0):
        logits.append(learner.logits(batch.images))
        labels.append(batch.labels)
        metrics.update(logits[-1], batch.labels)
    values = {"top1": metrics.top1, "top5": metrics.top5, "loss": metrics.loss}
    return Evaluation(values, np.concatenate(logits), np.concatenate(labels))


class Training:
    """One training from a position to its end."""

    def __init__(
        self,
        job: Job,
        learner: Learner,
        train: Source,
        val: Source,
        *,
        folder: Path,
        log: Log,
        progress: Progress,
        stop: StopRequest,
        position: Position,
        facts: dict[str, Any],
        plan: Freeze,
        parameters: Collection[str],
    ) -> None:
        self.job, self.recipe, self.learner = job, job.recipe, learner
        self.train, self.val, self.names = train, val, [sample.name for sample in job.dataset.train]
        self.folder, self.log, self.progress, self.stop = folder, log, progress, stop
        self.position, self.facts, self.plan, self.parameters = position, facts, plan, parameters
        self.pending: deque[tuple[dict[str, Any], Batch, Any]] = deque()
        self.clock = time.perf_counter()

    def run(self) -> None:
        """Train until the last epoch, or until `patience` epochs brought nothing better."""
        while self.position.epoch < self.recipe.epochs and not self.out_of_patience():
            self.run_epoch()

    def out_of_patience(self) -> bool:
        """Tell whether early stopping ends the training here."""
        waited = self.position.epoch - self.position.best_epoch
        return self.recipe.patience is not None and waited >= self.recipe.patience

    def run_epoch(self) -> None:
        """Train from the position to the end of its epoch, evaluate, log, save."""
        position, started, before = self.position, time.perf_counter(), self.position.images
        for batch in self.train.epoch(position.epoch, position.batch):
            self.run_step(batch)
            if self.stop.number is not None and position.batch < len(self.train):
                self.leave()
        self.fetch()
        seconds = time.perf_counter() - started
        row = self.end_epoch(images_per_second=(position.images - before) / seconds)
        self.save(best=position.best_epoch == row["epoch"])
        if self.stop.number is not None and position.epoch < self.recipe.epochs:
            self.leave()

    def run_step(self, batch: Batch) -> None:
        """Do one update and queue its probes."""
        position = self.position
        reduction = position.plateau.reduction
        lr = rate_of(self.recipe, position.step, steps_per_epoch=len(self.train), reduction=reduction)
        probes = self.learner.step(batch.images, batch.labels, step=position.step, lr=lr)
        position.step, position.batch = position.step + 1, position.batch + 1
        row = {"step": position.step, "epoch": position.epoch + 1, "lr": float(lr)}
        self.pending.append((row, batch, probes))
        loss = self.fetch() if len(self.pending) >= FETCH_EVERY else None
        self.progress.step(len(batch.labels), loss)

    def fetch(self) -> float | None:
        """Read the queued probes, log them, and return the last loss. A loss that is not finite ends the run."""
        if not self.pending:
            return None
        values = self.learner.fetch([probes for _, _, probes in self.pending])
        now = time.perf_counter()
        rate = sum(len(batch.labels) for _, batch, _ in self.pending) / (now - self.clock)
        self.clock = now
        for (row, batch, _), (loss, gradient, weights, update) in zip(self.pending, values, strict=True):
            self.log.write(
                {
                    **row,
                    "loss": loss,
                    "grad_norm": gradient,
                    "weight_norm": weights,
                    "update_norm": update,
                    "images_per_second": round(rate, 1),
                }
            )
            self.require_finite(row, batch, loss, gradient)
            self.position.loss_sum += float(loss) * len(batch.labels)
            self.position.images += len(batch.labels)
        self.pending.clear()
        return float(values[-1, 0])

    def require_finite(self, row: dict[str, Any], batch: Batch, loss: float, gradient: float) -> None:
        """Raise RunError, naming the images of the step, where loss or gradient are not numbers."""
        if np.isfinite(loss) and np.isfinite(gradient):
            return
        last = checkpoint.pointed(self.folder, "last")
        kept = f"the last good state is {last}" if last else "no checkpoint was saved yet"
        raise RunError(
            f"step {row['step']}: loss {loss}, |gradient| {gradient}; {kept}; try a lower --lr; images: "
            f"{listed((self.names[i] for i in batch.indices), 5)}"
        )

    def end_epoch(self, *, images_per_second: float) -> dict[str, Any]:
        """Evaluate, log the epoch, move the position to the next one and return the logged row."""
        position = self.position
        metrics = evaluate(self.learner, self.val).metrics
        position.epoch += 1
        row = {
            "epoch_end": True,
            "epoch": position.epoch,
            "step": position.step,
            "loss": position.loss_sum / position.images,
            "val_loss": metrics["loss"],
            "top1": metrics["top1"],
            "top5": metrics["top5"],
            "images_per_second": round(images_per_second, 1),
        }
        if metrics["top1"] > position.best_top1:
            position.best_top1, position.best_epoch = metrics["top1"], position.epoch
        position.batch, position.loss_sum, position.images = 0, 0.0, 0
        self.look_ahead(metrics["loss"])
        self.log.write(row)
        self.progress.end_epoch(row)
        self.clock = time.perf_counter()
        return row

    def look_ahead(self, val_loss: float) -> None:
        """Set what the next epoch trains, and at which rate."""
        recipe, position = self.recipe, self.position
        if recipe.schedule == "plateau":
            position.plateau.see(val_loss, base=recipe.lr, factor=recipe.step_factor, patience=recipe.plateau_patience)
        if recipe.unfreeze:
            plan = plan_at(recipe, self.job.card, self.parameters, epoch=position.epoch)
            if plan != self.plan:
                self.plan = plan
                self.learner.set_plan(plan)
                self.progress.note(plan.summary())

    def save(self, *, best: bool = False) -> None:
        """Write a checkpoint, name it, and delete those that are neither the last nor the best."""
        step = self.position.step
        checkpoint.save(
            self.folder,
            step=step,
            model=self.learner.get_weights(),
            optimizer=self.learner.get_slots(),
            state={**self.facts, "position": asdict(self.position)},
        )
        for name in ("last", "best") if best else ("last",):
            checkpoint.point(self.folder, name, step)
        named = [checkpoint.pointed(self.folder, name) for name in ("last", "best")]
        checkpoint.prune(self.folder, {int(path.name.removeprefix("step-")) for path in named if path})

    def leave(self) -> None:
        """Save after the step at hand and end the run as the signal asked."""
        self.fetch()
        self.save()
        assert self.stop.number is not None
        where = f"stopped after step {self.position.step}; go on with --resume {self.folder}"
        raise Interrupted(self.stop.number, where)
