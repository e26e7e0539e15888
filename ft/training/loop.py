"""The one training loop: epochs, evaluation, log and checkpoints, the same for both wings."""

import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from ft.backend.contract import Learner
from ft.data import Batch
from ft.errors import Elsewhere, RunError, UserError, listed
from ft.network.freeze import Freeze, plan_at
from ft.recipe import Recipe
from ft.recipe.optimizer import RULES, divides_by_zero, settings_of
from ft.runs import checkpoint
from ft.runs.folder import Log
from ft.runs.saving import NoSaver, Saver, Snapshot
from ft.system import files
from ft.system.names import BAD_STEP
from ft.system.progress import Progress
from ft.system.signals import Interrupted, StopRequest
from ft.training.compiling import run_ahead
from ft.training.evaluate import Source, evaluate
from ft.training.going_on import out_of_patience, stopped_early
from ft.training.job import Job
from ft.training.position import Position
from ft.training.ranks import meet, together, told_once
from ft.training.schedule import rate_of

FETCH_EVERY = 10  # steps whose probes stay on the device before they are read: reading one waits for its step


def what_broke(
    recipe: Recipe, *, loss: float, grad_norm: float, weight_norm: float, update_norm: float
) -> tuple[str, str]:
    """Return which quantity of a step is the first that is not finite, and what helps against that."""
    slower, numbers = "try a lower --lr", f"of loss {loss:g}, |gradient| {grad_norm:g}"
    if not np.isfinite(loss):
        return f"loss {loss}, |gradient| {grad_norm}", slower
    if not np.isfinite(grad_norm):
        wider = "" if recipe.precision == "float64" else ", or --precision float64"
        return f"|gradient| {grad_norm} of loss {loss:g}", slower + wider
    if np.isfinite(update_norm):
        return f"|weights| {weight_norm} after an |update| {update_norm:g}", slower
    eps, default = (values.get("eps", 0.0) for values in (settings_of(recipe), RULES[recipe.optimizer].numbers))
    if divides_by_zero(recipe):
        return f"|update| {update_norm} {numbers}: eps 0 divides by zero", f"try --eps {default:g}"
    return f"|update| {update_norm} {numbers}", slower + f", or --eps {default:g}" * (eps < default)


@dataclass(frozen=True, eq=False, kw_only=True)
class Session:
    """What a training works with, from a start or a resume to its end.

    hold: of the run's folder; facts: what every checkpoint records; parameters: names of all of the network's, trained
    or not; began: when the run would have begun had it never been interrupted.
    """

    job: Job
    learner: Learner
    train: Source
    val: Source
    hold: files.Hold
    log: Log
    progress: Progress
    stop: StopRequest
    facts: dict[str, Any]
    parameters: Collection[str]
    began: float


class Training:
    """One training from a position to its end. plan: what it freezes at first."""

    def __init__(self, session: Session, position: Position, plan: Freeze) -> None:
        self.session, self.position, self.plan = session, position, plan
        self.job, self.recipe, self.learner = session.job, session.job.recipe, session.learner
        self.folder, self.log, self.progress = session.hold.folder, session.log, session.progress
        self.ranks, self.stop_number = session.job.ranks, None  # of the signal that the ranks have heard of
        self.saver = Saver(self.folder, self.log) if self.ranks.writes else NoSaver()
        if self.ranks.watch:
            self.ranks.watch.before_end = self.saver.wait
        self.frozen: dict[str, np.ndarray] | None = None  # copies of what the plan leaves as it is
        self.pending: deque[tuple[dict[str, Any], np.ndarray, Any]] = deque()
        self.clock, self.told_idle = time.perf_counter(), False

    def run(self) -> None:
        """Train until the last epoch, or until `patience` epochs brought nothing better."""
        with self.saver:
            if self.position.step:  # a crash may have come between the checkpoint and its name
                self.saver.name(self.position.step, best=self.stands_at_best(), keep=self.to_average())
            begun = self.position.step
            while self.position.epoch < self.recipe.epochs and not out_of_patience(self.recipe, self.position):
                self.run_epoch()
        if words := stopped_early(self.recipe, self.position, self.job.task):
            self.progress.note(words)
        if self.position.step == begun:
            self.progress.note("no step is left to train, only the result is written")

    def run_epoch(self) -> None:
        """Train from the position to the end of its epoch, evaluate, log, save."""
        position, started, before = self.position, time.perf_counter(), self.position.images
        for batch in self.batches():
            self.run_step(batch)
            if self.stop is not None and position.batch < len(self.session.train):
                self.leave()
        self.fetch()
        seconds = time.perf_counter() - started
        self.end_epoch(images_per_second=(position.images - before) / seconds)
        self.save()
        if self.stop is not None and position.epoch < self.recipe.epochs:
            self.leave()

    @property
    def stop(self) -> int | None:
        """The signal that asks the training to stop, on all ranks the same."""
        return self.session.stop.number if self.ranks.size == 1 else self.stop_number

    def batches(self) -> Iterator[Batch]:
        """Yield the batches that are left of the epoch; before each the ranks meet."""
        source = self.session.train.epoch(self.position.epoch, self.position.batch)
        if self.ranks.size == 1:
            yield from source
            return
        for _ in range(self.position.batch, len(self.session.train)):
            batch, error = None, None
            if self.ranks.watch:
                self.ranks.watch.step = self.position.step + 1
            try:
                batch = next(source)
            except UserError as mistake:
                error = mistake
            stop, objective = self.session.stop.number, self.learner.objective
            batch, self.stop_number = meet(self.ranks, batch, objective, stop=stop, error=error)
            assert batch is not None
            yield batch

    def stands_at_best(self) -> bool:
        """Tell whether the position is the end of the best epoch so far."""
        return self.position.batch == 0 and self.position.best_epoch == self.position.epoch

    def run_step(self, batch: Batch) -> None:
        """Do one update and queue its probes."""
        position = self.position
        reduction = position.plateau.reduction if self.recipe.schedule == "plateau" else 1.0
        length = len(self.session.train)
        lr = rate_of(self.recipe, position.steps_of(length), steps_per_epoch=length, reduction=reduction)
        probes = self.learner.step(batch, step=position.step, lr=lr)
        position.step, position.batch = position.step + 1, position.batch + 1
        row = {"step": position.step, "epoch": position.epoch + 1, "lr": float(lr)}
        self.pending.append((row, batch.all_indices, probes))  # not the inputs, which are large
        loss = self.fetch() if len(self.pending) >= FETCH_EVERY else None
        self.progress.step(len(batch.all_indices), loss)
        idle = batch.place is None or not batch.place.weight
        if not self.told_idle and idle and (words := self.job.task.idle(batch.targets)):
            self.progress.note(f"step {position.step}: {words}; said once")
            self.told_idle = True

    def fetch(self) -> float | None:
        """Read the queued probes, log them, and return the last loss. A loss that is not finite ends the run."""
        if not self.pending:
            return None
        values = self.learner.fetch([probes for _, _, probes in self.pending])
        now = time.perf_counter()
        rate = sum(len(indices) for _, indices, _ in self.pending) / (now - self.clock)
        self.clock = now
        self.session.hold.used = True  # from here on there is something to lose
        for (row, indices, _), (loss, gradient, weights, update, right) in zip(self.pending, values, strict=True):
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
            self.require_finite(row, indices, loss=loss, grad_norm=gradient, weight_norm=weights, update_norm=update)
            self.position.count(len(indices), loss=float(loss), right=int(right))
        self.pending.clear()
        return float(values[-1, 0])

    def require_finite(self, row: dict[str, Any], indices: np.ndarray, **probes: float) -> None:
        """Raise RunError where a probe is not a number, after writing the step and its images to a file."""
        if all(np.isfinite(value) for value in probes.values()):
            return
        if not self.ranks.writes:
            raise Elsewhere  # all ranks see the same
        self.saver.wait()
        last, bad = checkpoint.pointed(self.folder, "last"), self.folder / BAD_STEP
        kept = f"the last good state is {last}" if last else "no checkpoint was saved yet"
        images = [self.job.dataset.train[i].name for i in indices]
        files.write_json(bad, {**row, **{name: float(value) for name, value in probes.items()}, "images": images})
        unit = self.job.card.unit
        what, advice = what_broke(self.recipe, **probes)
        raise told_once(
            self.ranks,
            RunError(
                f"step {row['step']}: {what}; {kept}; {advice}; {unit}s (all of them in {bad}): {listed(images, 5)}"
            ),
        )

    def end_epoch(self, *, images_per_second: float) -> None:
        """Evaluate, log the epoch and move the position to the next one."""
        position = self.position
        metrics, averaged = self.evaluate(), self.evaluate_average()
        position.epoch += 1
        row = {
            "epoch_end": True,
            "epoch": position.epoch,
            "step": position.step,
            "loss": position.loss_sum / position.images,
            **self.right_in_training(),
            **({"val_loss": metrics["loss"]} if "loss" in metrics else {}),
            **{measure.name: metrics[measure.name] for measure in self.job.task.logged},
            **averaged,
            "images_per_second": round(images_per_second, 1),
        }
        keep = self.recipe.average_best if self.recipe.result == "average" else 0
        position.rank(self.job.task.score, metrics[self.job.task.score.metric], keep=keep)
        position.begin_epoch()
        self.look_ahead(self.falling(metrics))
        self.log.write(row)
        self.progress.end_epoch(row)
        self.clock = time.perf_counter()

    def falling(self, metrics: dict[str, Any]) -> float:
        """Return what schedule plateau waits for to fall: the loss, or the score, the other way round, without one."""
        score = self.job.task.score
        return metrics["loss"] if "loss" in metrics else score.place(metrics[score.metric])

    def right_in_training(self) -> dict[str, float]:
        """Return the share of the epoch's images that its steps had right, where that is a metric of the task."""
        position, metric = self.position, self.job.task.of_steps
        if metric is None or position.right is None:
            return {}
        return {f"train_{metric}": position.right / position.images}

    def evaluate(self) -> dict[str, Any]:
        """Return the metrics of the validation images."""
        meter = self.job.task.meter(self.job.dataset.classes)
        return evaluate(self.learner, self.session.val, meter, ranks=self.ranks).result()

    def evaluate_average(self) -> dict[str, float]:
        """Return how the moving average of the weights does, where one is kept."""
        if not self.recipe.ema:
            return {}
        with self.learner.averaged():
            metrics = self.evaluate()
        score = self.job.task.score.metric
        return {f"ema_{name}": metrics[name] for name in ("loss", score) if name in metrics}

    def look_ahead(self, val_loss: float) -> None:
        """Set what the next epoch trains, and at which rate."""
        recipe, position = self.recipe, self.position
        if recipe.schedule == "plateau":
            position.plateau.see(val_loss, base=recipe.lr, factor=recipe.step_factor, patience=recipe.plateau_patience)
        if recipe.unfreeze:
            plan = plan_at(recipe, self.job.card, self.session.parameters, epoch=position.epoch)
            if plan != self.plan:
                self.plan, self.frozen = plan, None
                self.learner.set_plan(plan)
                self.progress.note(plan.summary())
                backend, epoch = self.session.facts["backend"], position.epoch
                say, log = self.progress.note, partial(self.log.note, position.step)
                run_ahead(self.job, self.learner, plan, backend=backend, epoch=epoch, say=say, log=log)

    def save(self) -> None:
        """Copy the state for a checkpoint, which is written while the training goes on, by one of several ranks."""
        with together(self.ranks):
            if self.ranks.writes:
                self.save_here()

    def save_here(self) -> None:
        """Copy the state and begin to write it."""
        self.session.hold.used = True
        for said in (self.session.hold.check(), self.log.check()):
            if said:
                self.progress.note(said)
        self.position.seconds = time.perf_counter() - self.session.began
        tensors = self.learner.get_weights(leave_out=self.frozen or ())
        if self.frozen is None:
            self.frozen = {name: x for name, x in tensors.items() if self.stands_still(name)}
        frozen = self.frozen
        snapshot = Snapshot(
            step=self.position.step,
            model={name: x for name, x in tensors.items() if name not in frozen},
            frozen=frozen,
            optimizer=self.learner.get_slots(),
            state={**self.session.facts, "position": asdict(self.position)},
            best=self.stands_at_best(),
            keep=self.to_average(),
        )
        self.saver.save(snapshot)

    def to_average(self) -> frozenset[int]:
        """Return the steps whose checkpoints stay until their weights are averaged."""
        return frozenset(int(step) for _, _, step in self.position.ranked)

    def stands_still(self, name: str) -> bool:
        """Tell whether a step leaves a tensor as it is: the frozen ones, but buffers of stages in training mode."""
        return self.plan.is_still(name) or (name in self.session.parameters and self.plan.is_frozen(name))

    def leave(self) -> None:
        """Save after the step at hand and end the run as the signal asked."""
        self.fetch()
        self.save()
        with together(self.ranks):
            self.saver.wait()
        assert self.stop is not None
        where = f"stopped after step {self.position.step}; go on with --resume {self.folder}"
        raise Interrupted(self.stop, where if self.ranks.writes else "")
