"""The peak memory of a process and all that it starts, looked at while they run."""

import threading
from pathlib import Path

SECONDS = 1.0  # between two looks
PROC = Path("/proc")


class PeakOfTree:
    """A context in which the memory of a process and its descendants is watched; `peak` is its largest sum in bytes.

    What processes share counts once (Linux's proportional set size). 0 for a process that has no descendants, which
    knows its own peak without the cost of looking, and where /proc does not tell.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.peak = pid, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> "PeakOfTree":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        """Look until the context ends."""
        while not self.ended.wait(SECONDS):
            processes = tree(self.pid)
            if len(processes) > 1:
                self.peak = max(self.peak, sum(map(proportional_size, processes)))


def tree(pid: int) -> list[int]:
    """Return a process and its descendants, as far as they are still there."""
    family = [pid]
    for parent in family:
        for children in PROC.glob(f"{parent}/task/*/children"):
            try:
                family += map(int, children.read_text().split())
            except OSError:  # ended in between
                continue
    return family


def proportional_size(pid: int) -> int:
    """Return a process's memory in bytes, pages that n processes share counted as 1/n; 0 where it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
