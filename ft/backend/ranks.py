"""Ranks: processes that train one recipe together, each on its part of every batch.

Here is what they can do for the hub, whose arrays are NumPy's; what a step needs is native, in a wing's `ranks.py`.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft.backend.board import Board, shared_board
from ft.backend.watch import Watch
from ft.errors import RecipeError

PORTS = 65535
CHUNK = 1 << 24  # words of 4 bytes that are summed at once


class Ranks(ABC):
    """Processes of which this one is number `rank` of `size`, from 0. All must call the same, in the same order."""

    rank: int = 0
    size: int = 1
    watch: Watch | None = None
    board: Board | None = None
    large: int = 1 << 20
    on_gpus: bool = False

    @property
    def writes(self) -> bool:
        """Whether this is the one that has the run's folder, and the word."""
        return self.rank == 0

    def by_itself(self, numbers: int) -> bool:
        """Tell whether a tensor of so many numbers is added up by itself: to copy it would cost more than messages."""
        return numbers >= (self.large // 16 if self.board else self.large * (self.size - 1))

    def share_memory(self, timeout: float) -> None:
        """Add up in memory from here on, where all are on one machine. timeout: how long they wait for each other."""
        self.board = shared_board(self, timeout)

    @abstractmethod
    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array of all ranks, float64 or int32, the same bits on all."""

    @abstractmethod
    def close(self) -> None:
        """Part."""

    def gather(self, content: bytes) -> list[bytes]:
        """Return what each rank gave, in their order."""
        lengths = np.zeros(self.size)
        lengths[self.rank] = len(content)
        lengths = self.sum(lengths).astype(int)
        words = -(-lengths // 4)
        ends = np.cumsum(words)
        whole = np.zeros(ends[-1], np.int32)  # 0 but for the own part: a sum of these joins them
        padded = content.ljust(4 * int(words[self.rank]), b"\0")
        whole[ends[self.rank] - words[self.rank] : ends[self.rank]] = np.frombuffer(padded, np.int32)
        for start in range(0, len(whole), CHUNK):
            whole[start : start + CHUNK] = self.sum(whole[start : start + CHUNK])
        starts = ends - words
        return [whole[a : a + w].tobytes()[:n] for a, w, n in zip(starts, words, lengths, strict=True)]

    def gather_json(self, value: Any) -> list[Any]:
        """Return the JSON value that each rank gave."""
        return [json.loads(content) for content in self.gather(json.dumps(value).encode())]


class Alone(Ranks):
    """A process that trains by itself."""

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the array."""
        return array

    def total(self, x: Any) -> Any:
        """Return a tensor of either wing, as it is."""
        return x

    def close(self) -> None:
        """Do nothing."""

    def gather(self, content: bytes) -> list[bytes]:
        """Return the one content."""
        return [content]


ALONE = Alone()


@dataclass(frozen=True)
class Seat:
    """What the environment says of this process: number `rank` of `size`, number `local` on its machine.

    host: the address of rank 0.
    """

    rank: int
    size: int
    local: int
    host: str


def usual_backend(environment: Mapping[str, str] = os.environ) -> str:
    """Return the wing of a training that names none: torch, but where only TF_CONFIG says who trains along."""
    return "tf" if environment.get("TF_CONFIG") and not environment.get("WORLD_SIZE") else "torch"


def seat_of(backend: str, environment: Mapping[str, str] = os.environ) -> Seat | None:
    """Return this process's seat among those of a wing, None where it trains alone.

    PyTorch's processes are numbered by torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), TensorFlow's
    by TF_CONFIG. Raises RecipeError where that makes no sense, or is for the other wing.
    """
    seats = {"torch": seat_by_numbers(environment), "tf": seat_by_config(environment)}
    seat, other = seats[backend], seats["tf" if backend == "torch" else "torch"]
    if seat is None and other is not None:
        raise RecipeError(
            {
                "torch": f"TF_CONFIG names {other.size} workers, which are TensorFlow's; start them as "
                "python -m ft_tf.train, or PyTorch's with torchrun, or unset TF_CONFIG",
                "tf": f"WORLD_SIZE {other.size}: torchrun starts PyTorch's processes, TensorFlow's need TF_CONFIG; "
                "start them as torchrun ... -m ft_torch.train, or with TF_CONFIG",
            }[backend]
        )
    return seat


def seat_by_numbers(environment: Mapping[str, str]) -> Seat | None:
    """Return the seat that torchrun gives; None for none, or for one process alone."""
    if not environment.get("WORLD_SIZE"):
        return None
    numbers = {}
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT"):
        text = environment.get(name, "0" if name == "LOCAL_RANK" else "")
        if not text.isdecimal() or len(text) > 9 or (name == "MASTER_PORT" and int(text) > PORTS):
            expected = f"a whole number{f' up to {PORTS}' if name == 'MASTER_PORT' else ''}"
            raise RecipeError(f"{name}: got '{text[:40]}', expected {expected}; start the processes with torchrun")
        numbers[name] = int(text)
    size, rank = numbers["WORLD_SIZE"], numbers["RANK"]
    if not environment.get("MASTER_ADDR"):
        raise RecipeError("MASTER_ADDR: not there, expected the address of rank 0; start the processes with torchrun")
    if rank >= size:
        raise RecipeError(f"RANK {rank} of WORLD_SIZE {size}: ranks count from 0; start the processes with torchrun")
    return Seat(rank, size, numbers["LOCAL_RANK"], environment["MASTER_ADDR"]) if size > 1 else None


def seat_by_config(environment: Mapping[str, str]) -> Seat | None:
    """Return the seat that TF_CONFIG gives; None for none, or for one worker alone."""
    if not environment.get("TF_CONFIG"):
        return None
    like = 'expected like {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(environment["TF_CONFIG"])
    except (ValueError, RecursionError):
        raise RecipeError(f"TF_CONFIG: no JSON; {like}") from None
    try:
        cluster, task = config.get("cluster", {}), config.get("task", {})
        if not cluster:
            return None
        workers, index = list(cluster["worker"]), task["index"]
        if set(cluster) != {"worker"} or task["type"] != "worker" or not all(isinstance(w, str) for w in workers):
            raise RecipeError(f"TF_CONFIG: all processes are to be of type worker; {like}")
        if type(index) is not int or not 0 <= index < len(workers):
            raise RecipeError(f"TF_CONFIG: index {index} of {len(workers)} workers; they count from 0")
    except (KeyError, TypeError, AttributeError):
        raise RecipeError(f"TF_CONFIG: it lacks what is needed; {like}") from None
    hosts = [worker.rpartition(":")[0].strip("[]") for worker in workers]
    return Seat(index, len(workers), hosts[:index].count(hosts[index]), hosts[0]) if len(workers) > 1 else None
