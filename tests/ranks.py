"""Ranks that are threads of one process, for what the hub does with them."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ft.backend.ranks import Ranks

PATIENCE = 600  # seconds that one waits for the others: only where one is lost to the end


class ThreadRanks(Ranks):
    """One of several threads that sum by waiting for each other."""

    def __init__(self, rank: int, size: int, shared: dict[str, Any]) -> None:
        self.rank, self.size, self.shared = rank, size, shared

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of all threads' arrays."""
        self.shared["arrays"][self.rank] = np.array(array)
        self.shared["barrier"].wait(PATIENCE)
        total = sum(self.shared["arrays"][1:], self.shared["arrays"][0])
        self.shared["barrier"].wait(PATIENCE)
        return total

    def close(self) -> None:
        """Do nothing."""


def on_ranks(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """Return what a function gives on each of so many ranks, an exception as what it is."""
    shared = {"arrays": [None] * size, "barrier": threading.Barrier(size)}
    found: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            found[rank] = work(ThreadRanks(rank, size, shared))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
