"""Checkpoints written beside the training: the state is copied at once, a thread of its own waits for the disk.

What a crash can leave is what ft/runs/checkpoint.py promises, for the same calls are made in the same order; a
checkpoint counts once the thread is through with it, and there is never more than one on its way.
"""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RunError
from ft.runs import checkpoint
from ft.runs.folder import Log
from ft.system.names import STEP

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Snapshot:
    """The state of a training at one step.

    model, frozen, optimizer: arrays that nobody changes from now on; frozen is written once for as long as it is the
    same dict; best: name it the best, too; keep: steps that stay beside the last and the best.
    """

    step: int
    model: Tensors
    frozen: Tensors
    optimizer: Tensors
    state: dict[str, Any]
    best: bool
    keep: frozenset[int]


class NoSaver:
    """Stands for a Saver where another process writes the run's folder."""

    def save(self, snapshot: Snapshot) -> None:
        """Do nothing."""

    def name(self, step: int, *, best: bool, keep: Collection[int]) -> None:
        """Do nothing."""

    def wait(self) -> None:
        """Do nothing."""

    def __enter__(self) -> "NoSaver":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Saver:
    """Saves the checkpoints of one run. A context manager: its end waits for the last one."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder, self.log = folder, log
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="ft-save")
        self.pending: Future[None] | None = None
        self.frozen: tuple[Tensors, str | None] = {}, None  # what the disk has already, and its name

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write a checkpoint, after the one before is written, whose error is raised here: RunError where the
        disk refused.
        """
        self.wait()
        self.pending = self.pool.submit(self.write, snapshot)

    def write(self, snapshot: Snapshot) -> None:
        """Write a checkpoint, and only then let go of the one before."""
        self.log.sync()
        step, frozen = snapshot.step, snapshot.frozen
        if frozen is not self.frozen[0] or not checkpoint.has_frozen(self.folder, self.frozen[1]):
            self.frozen = frozen, checkpoint.save_frozen(self.folder, frozen)
        checkpoint.save(
            self.folder,
            step=step,
            model=snapshot.model,
            optimizer=snapshot.optimizer,
            state=snapshot.state,
            frozen=self.frozen[1],
        )
        self.name(step, best=snapshot.best, keep=snapshot.keep)

    def name(self, step: int, *, best: bool, keep: Collection[int]) -> None:
        """Call a checkpoint the last, and perhaps the best; delete those that are neither, nor among those to keep."""
        for name in ("last", "best") if best else ("last",):
            checkpoint.point(self.folder, name, step)
        named = [checkpoint.pointed(self.folder, name) for name in ("last", "best")]
        checkpoint.prune(self.folder, {*keep} | {int(path.name.removeprefix(STEP)) for path in named if path})

    def wait(self) -> None:
        """Wait until the disk has everything; RunError where it refused."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.wait()
        except RunError:
            if kind is None:  # else what ended the training is the news
                raise
        finally:
            self.pool.shutdown()
