"""Faults where a program meets the disk: its writes, syncs, renames and the other changes of the file system.

`Injector` counts them and strikes at the N-th; `recording` writes them down for the model of a power loss (power.py).
Only what Python's own functions do is seen, and that is all that `ft` uses to write.
"""

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "chmod")
KINDS = ("kill", "torn kill", "ENOSPC", "EIO")


class Injector:
    """Strikes at change number `at` (from 1), and never if that is 0.

    kill: SIGKILL before the change; torn kill: SIGKILL in the middle of a write, half of it done; ENOSPC: this change
    and, as on a full disk, every later write fails; EIO: this change fails.
    """

    def __init__(self, at: int, kind: str) -> None:
        self.at, self.kind, self.seen, self.full = at, kind, 0, False

    def before(self, name: str, half: Callable[[], Any] = lambda: None) -> None:
        """Be told of a change that is about to happen; `half` does half of a write."""
        self.seen += 1
        if self.seen == self.at:
            if self.kind == "torn kill":
                half()
            if "kill" in self.kind:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "ENOSPC":
                half()
                self.full = True
            raise failure(self.kind)
        if self.full and name in ("write", "mkdir"):
            raise failure(self.kind)


def failure(kind: str) -> OSError:
    """Return the error that the operating system would give."""
    number = getattr(errno, kind)
    return OSError(number, os.strerror(number))


@contextmanager
def watching(before: Callable[..., Any]) -> Iterator[None]:
    """Call `before(name, ...)` ahead of every change of the file system."""
    originals = {name: getattr(os, name) for name in CHANGES}
    for name, original in originals.items():
        setattr(os, name, watched(name, original, before))
    opened = builtins.open
    builtins.open = io.open = watched_open(opened, before)
    try:
        yield
    finally:
        builtins.open = io.open = opened
        for name, original in originals.items():
            setattr(os, name, original)


def watched(name: str, original: Callable[..., Any], before: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `os` that tells of itself first."""

    def call(*arguments: Any, **options: Any) -> Any:
        before(name)
        return original(*arguments, **options)

    return call


def watched_open(opened: Callable[..., Any], before: Callable[..., Any]) -> Callable[..., Any]:
    """Return an `open` whose files tell of each write that reaches the operating system."""

    class File(io.FileIO):
        def write(self, data: Any) -> int:
            data = bytes(data)
            before("write", lambda: super(File, self).write(data[: len(data) // 2]))
            return super().write(data)

    def open_watched(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+") or "opener" in options:  # an opener: Python's own temporary files
            return opened(file, mode, buffering, *text, **options)
        raw = File(file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

    return open_watched


def count_changes(work: Callable[[Path], None], folder: Path) -> int:
    """Return how many changes `work` makes, undisturbed."""
    injector = Injector(0, "kill")
    with watching(injector.before):
        work(folder)
    return injector.seen
