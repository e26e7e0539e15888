"""Processes that train together, in TensorFlow: the collectives of MultiWorkerMirroredStrategy, a process a worker.

The training loop is the hub's: Keras's `fit` does not work under this strategy. A graph that sums over the workers
bears a number for each sum, given as it is traced, so all workers trace the same graphs in the same order.
"""

import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # the only place that knows how long to wait for the others

from ft.backend.board import Board
from ft.backend.ranks import Ranks, Seat
from ft.errors import RankLost, RecipeError, first_line
from ft_tf.graph import as_graph
from ft_tf.runtime import grow_memory, keep_memory

LOST = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.CancelledError, tf.errors.AbortedError)
DTYPES = (tf.float64, tf.int32)  # of the hub's sums


class TfRanks(Ranks):
    """A strategy, in whose replica context a step sums."""

    def __init__(self, seat: Seat, *, gpus: bool, timeout: float) -> None:
        self.rank, self.size, self.on_gpus = seat.rank, seat.size, gpus
        self.missing: RankLost | None = None  # what a sum on the board met within a graph
        kinds = tf.distribute.experimental.CommunicationImplementation
        kind = kinds.NCCL if gpus else kinds.RING
        self.options = tf.distribute.experimental.CommunicationOptions(implementation=kind, timeout_seconds=timeout)
        with broken(self.rank):
            wait_for(seat, timeout)
            require_others(seat, timeout)
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=self.options)
        self.sums = {t.as_numpy_dtype: as_graph(self.inside(self.total), [tf.TensorSpec((None,), t)]) for t in DTYPES}

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array of all ranks."""
        if self.board:
            return total_of(self.board, array)
        with broken(self.rank):
            return self.sums[array.dtype.type](tf.constant(array)).numpy()

    def inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that may sum over the ranks."""
        return lambda *arguments: self.strategy.run(lambda: function(*arguments))

    def calling(self, graph: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls a graph with sums, and raises RankLost where a rank is gone meanwhile."""

        def call(*arguments: Any) -> Any:
            with broken(self.rank):
                try:
                    return graph(*arguments)
                except tf.errors.OpError as error:
                    raise self.missing or error from None

        return call

    def add_up(self, tensors: Sequence[tf.Tensor], like: Iterable[Any]) -> list[tf.Tensor]:
        """Return the sums of tensors of all ranks. like: tensors whose shapes they have.

        A gradient's own shape may be unknown in a graph for any number of samples. A large one is added up as soon as
        it is there; the others go as one vector.
        """
        both = [(tf.reshape(x, other.shape), math.prod(other.shape)) for x, other in zip(tensors, like, strict=True)]
        small = [(x, size) for x, size in both if not self.by_itself(size)]
        flat = self.total(tf.concat([tf.reshape(x, [-1]) for x, _ in small], 0))
        parts = iter(tf.split(flat, [size for _, size in small]))
        return [self.total(x) if self.by_itself(size) else tf.reshape(next(parts), x.shape) for x, size in both]

    def on_board(self, work: Callable[[Board, np.ndarray], np.ndarray], x: tf.Tensor) -> tf.Tensor:
        """Return what is made of a tensor on the board, in the order in which a graph names such work."""

        def there(array: np.ndarray) -> np.ndarray:
            assert self.board is not None
            try:
                return work(self.board, array)
            except RankLost as error:
                self.missing = error  # TensorFlow hands on its words alone
                raise

        return tf.numpy_function(there, [tf.stop_gradient(x)], x.dtype)

    def total(self, x: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor of all ranks."""
        if self.board:
            return tf.ensure_shape(self.on_board(total_of, x), x.shape)
        own = tf.identity(x)  # on the worker's device, where an argument of a graph is on none
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own, options=self.options)

    def each(self, x: tf.Tensor) -> tf.Tensor:
        """Return a tensor (C,) of each rank, in their order: (size, C).

        As a sum of rows that are 0 but for each rank's own: the strategy's `all_gather` sends the shapes first.
        """
        if self.board:
            return tf.ensure_shape(self.on_board(rows_of, x), (self.size, *x.shape))
        return self.total(tf.one_hot(self.rank, self.size, dtype=x.dtype)[:, None] * x)

    def close(self) -> None:
        """Part: the strategy goes with the process."""


def total_of(board: Board, array: np.ndarray) -> np.ndarray:
    """Return the sum of an array of all ranks."""
    return board.add_up(array, np.empty(array.shape, array.dtype))


def rows_of(board: Board, array: np.ndarray) -> np.ndarray:
    """Return the array (n,) of each rank, a row each."""
    return board.rows(array).copy()


def connect(seat: Seat, *, device: str, timeout: float) -> Ranks:
    """Meet the other ranks; RankLost where not all come within `timeout` seconds. device: of the recipe."""
    keep_memory()
    devices = tf.config.list_physical_devices("GPU")
    gpus = device in ("auto", "cuda") and bool(devices)
    if gpus and seat.local >= len(devices):
        raise RecipeError(
            f"worker {seat.rank}: this machine has {len(devices)} GPUs, and each process takes its own; start at "
            f"most {len(devices)} here, or pass --device cpu"
        )
    own = [devices[seat.local]] if gpus else []
    tf.config.set_visible_devices(own, "GPU")
    grow_memory(own)  # the strategy uses it
    return TfRanks(seat, gpus=gpus, timeout=timeout)


def wait_for(seat: Seat, timeout: float) -> None:
    """Tell TensorFlow how long to wait for the other workers; it would for an hour."""
    from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob  # pyright: ignore[reportAttributeAccessIssue]

    milliseconds = int(timeout * 1000)
    whole: Any = context.context()
    whole.configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=milliseconds,
        heartbeat_timeout_in_ms=milliseconds,
        shutdown_barrier_timeout_in_ms=milliseconds,
        coordinated_jobs=[CoordinatedJob(name="worker", num_tasks=seat.size)],
    )


def require_others(seat: Seat, timeout: float) -> None:
    """Raise RankLost on rank 0 where not all others have come: TensorFlow would wait for them for ever, deaf to all."""
    end = time.monotonic() + timeout
    for rank, worker in enumerate(json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]):
        host, _, port = worker.rpartition(":")
        while rank and not seat.rank and not listens(host.strip("[]"), port):
            if time.monotonic() > end:
                raise RankLost(f"rank 0: lost the other ranks (rank {rank} did not come to {worker}); start them again")
            time.sleep(0.1)


def listens(host: str, port: str) -> bool:
    """Tell whether a process listens there."""
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def broken(rank: int) -> Iterator[None]:
    """Turn what TensorFlow says of a rank that is gone, or does not answer, into a RankLost."""
    try:
        yield
    except LOST as error:
        raise RankLost(
            f"rank {rank}: lost the other ranks ({first_line(error)}); start all of them again, "
            "a run that has a checkpoint goes on with --resume RUN"
        ) from None
