"""Processes that train together, in PyTorch: gloo between CPUs, NCCL between GPUs."""

import gc
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from ft.backend.ranks import Ranks, Seat
from ft.errors import RankLost, RecipeError, first_line


class TorchRanks(Ranks):
    """A process group for tensors, on the device, and one for the hub's arrays, on the host."""

    def __init__(self, seat: Seat, *, gpus: bool, timeout: float) -> None:
        self.rank, self.size, self.on_gpus = seat.rank, seat.size, gpus
        with broken():
            patience = timedelta(seconds=timeout)
            store = own_store(seat, patience)
            place = {"store": store, "rank": seat.rank, "world_size": seat.size}
            dist.init_process_group("nccl" if gpus else "gloo", timeout=patience, **place)
            self.host: Any = dist.new_group(backend="gloo", timeout=patience) if gpus else dist.group.WORLD

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array of all ranks."""
        if self.board:
            return self.board.add_up(array, np.empty(array.shape, array.dtype))
        total = torch.from_numpy(np.array(array))
        with broken():
            dist.all_reduce(total, group=self.host)
        return total.numpy()

    def add_up(self, tensors: Sequence[Tensor], like: Iterable[Tensor]) -> list[Tensor]:
        """Return the sums of tensors of all ranks. like: tensors whose strides they get.

        A gradient's own strides may differ from rank to rank, with the number of samples. A large one is added up where
        it lies; the others go as one vector.
        """
        flat = tensors[0].new_empty(sum(x.numel() for x in tensors if not self.by_itself(x.numel())))
        sums, wholes, start = [], [flat], 0
        for x, other in zip(tensors, like, strict=True):
            if self.by_itself(x.numel()):
                taken = any(x.data_ptr() == y.data_ptr() for y in sums)  # two parameters' gradients may be one tensor
                moved = taken or x.stride() != other.stride()
                sums.append(torch.empty_like(other).copy_(x) if moved else x)
                wholes.append(sums[-1].as_strided((x.numel(),), (1,)))
            else:
                sums.append(flat.as_strided(other.shape, other.stride(), start).copy_(x))
                start += x.numel()
        for whole in wholes:
            self.reduce(whole)
        return sums

    def total(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor of all ranks."""
        total = x.clone()
        self.reduce(total)
        return total

    def reduce(self, x: Tensor) -> None:
        """Put the sum of all ranks' tensors into a contiguous one."""
        if self.board:
            self.board.add_up(x.numpy(), x.numpy())
            return
        with broken():
            dist.all_reduce(x)

    def each(self, x: Tensor) -> Tensor:
        """Return a tensor (C,) of each rank, in their order: (size, C)."""
        if self.board:
            return torch.from_numpy(self.board.rows(x.numpy()).copy())
        rows = x.new_empty(self.size, len(x))
        with broken():
            dist.all_gather(list(rows.unbind()), x)
        return rows

    def close(self) -> None:
        """Part, and end gloo's threads, which no group that something still holds would do.

        One of them may be letting go of a tensor yet: it asks for Python's lock, and aborts a process that ends.
        """
        if self.board:
            self.board.close()
        self.host = None
        gc.collect()  # of an error that tells of the group
        dist.destroy_process_group()


def connect(seat: Seat, *, device: str, timeout: float) -> Ranks:
    """Meet the other ranks; RankLost where not all come within `timeout` seconds. device: of the recipe."""
    gpus = device in ("auto", "cuda") and torch.cuda.is_available()
    if gpus:
        count = torch.cuda.device_count()
        if seat.local >= count:
            raise RecipeError(
                f"LOCAL_RANK {seat.local}: this machine has {count} GPUs, and each process takes its own; start at "
                f"most {count} here, or pass --device cpu"
            )
        torch.cuda.set_device(seat.local)
    return TorchRanks(seat, gpus=gpus, timeout=timeout)


def own_store(seat: Seat, patience: timedelta) -> Any:
    """Return the store by which the ranks find each other, without what the ones before them left in it.

    torchrun keeps one store for all its attempts. Who reads there where an ended process listened waits in vain.
    """
    store, _, _ = next(rendezvous("env://", timeout=patience))
    store.set_timeout(patience)
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return store
    word = told_to_all(store, seat.size, patience) if seat.rank == 0 else told_by_first(store, seat.rank)
    return PrefixStore(word, store)


def told_by_first(store: Any, rank: int) -> str:
    """Return the word of rank 0, which answers each greeting, and say that it has come."""
    own = secrets.token_hex(8)
    store.set(f"ft/hello/{rank}", own)
    word = store.get(f"ft/word/{own}").decode()
    store.set(f"ft/heard/{word}/{rank}", "")
    return word


def told_to_all(store: Any, size: int, patience: timedelta) -> str:
    """Return a word that all others have heard. A greeting may be an ended process's, until a new one replaces it."""
    word, end, missing = secrets.token_hex(8), time.monotonic() + patience.total_seconds(), [*range(1, size)]
    while missing := [rank for rank in missing if not store.check([f"ft/heard/{word}/{rank}"])]:
        for rank in missing:
            if store.check([f"ft/hello/{rank}"]):
                store.set(f"ft/word/{store.get(f'ft/hello/{rank}').decode()}", word)
        if time.monotonic() > end:
            raise RankLost(f"rank 0: lost the other ranks (rank {missing[0]} did not come); start all of them again")
        time.sleep(0.02)
    return word


@contextmanager
def broken() -> Iterator[None]:
    """Turn what PyTorch says of a rank that is gone, or does not answer, into a RankLost."""
    try:
        yield
    except RuntimeError as error:  # DistError among them
        raise RankLost(
            f"rank {os.environ.get('RANK')}: lost the other ranks ({first_line(error)}); start all of them again, "
            "a run that has a checkpoint goes on with --resume RUN"
        ) from None
