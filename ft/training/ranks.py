"""Ranks in a training: how they come together, agree, and end together."""

import atexit
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ft.backend import contract as backends
from ft.backend.objective import Objective
from ft.backend.ranks import ALONE, Ranks, seat_of, usual_backend
from ft.backend.watch import Watch
from ft.data import Batch
from ft.errors import Elsewhere, RankLost, RecipeError, RunError, UserError
from ft.recipe import Recipe, checked, deciding, to_dict
from ft.system.once import first_to_say
from ft.system.quiet import quiet_stderr
from ft.system.signals import Interrupted
from ft.training.accumulation import by_pass

MET: dict[str, Ranks] = {}  # by wing


def meet_others(backend: str, *, device: str, timeout: float) -> Ranks:
    """Meet the ranks that the environment names; they part at the end of the process."""
    seat = seat_of(backend)
    assert seat is not None
    if device == "mps":
        raise RecipeError("device: mps is for one process; use --device cpu")
    backends.require(backend)
    wing = backends.load(backend)
    with quiet_stderr():
        ranks = wing.connect(seat, device=device, timeout=timeout)
    atexit.register(ranks.close)
    if not ranks.on_gpus:
        ranks.share_memory(timeout)
    require_own_gpus(ranks, gpu_of(seat.local) if ranks.on_gpus else None)
    ranks.watch = Watch(ranks.rank, seat.host, timeout, ranks.gather)
    atexit.register(ranks.watch.part)  # the last one registered comes first
    return ranks


def gpu_of(local: int) -> list[Any]:
    """Return what no two processes may share: number `local` of the GPUs that are visible, of this container's."""
    visible = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
    container = Path("/proc/self/ns/mnt")
    name = visible[local] if local < len(visible) else str(local)
    return [name, socket.gethostname(), container.stat().st_ino if container.exists() else 0]


def require_own_gpus(ranks: Ranks, own: list[Any] | None) -> None:
    """Raise RecipeError where two ranks take one GPU, which NCCL would refuse in words of its own."""
    taken: dict[str, int] = {}
    for rank, gpu in enumerate(ranks.gather_json(own)):
        first = taken.setdefault(json.dumps(gpu), rank)
        if gpu and first != rank:
            both = f"device: ranks {first} and {rank} take the same GPU ({gpu[0]} of {gpu[1]})"
            raise told_once(ranks, RecipeError(f"{both}; start them with torchrun, or tell each its own LOCAL_RANK"))


@contextmanager
def watched(ranks: Ranks) -> Iterator[None]:
    """Let an error of one rank in the block end all of them, and be said once."""
    watch = ranks.watch
    if watch is None:
        yield
        return
    try:
        yield
    except RankLost as lost:
        judged = watch.judge(lost)
        watch.tell("")
        raise judged from None
    except UserError as error:
        if error.shared or ranks.writes:
            watch.part() if error.shared else watch.tell("")
            raise
        watch.tell(str(error))
        raise Elsewhere from error
    except Interrupted:  # all of them
        watch.part()
        raise
    except BaseException:
        watch.tell("")  # this rank says what it is
        raise


def connect(backend: str, fields: Mapping[str, Any]) -> Ranks:
    """Return the ranks that train together, if the environment names any: they meet once a process.

    fields: of the recipe, as given.
    """
    with said_once():
        if seat_of(backend) is None:
            return ALONE
        if backend not in MET:
            timeout = seconds(fields.get("rank_timeout"))
            MET[backend] = meet_others(backend, device=str(fields.get("device", "auto")), timeout=timeout)
    return MET[backend]


@contextmanager
def said_once() -> Iterator[None]:
    """Let a mistake that processes find before they have met be said by one of a machine."""
    try:
        yield
    except UserError as error:
        if error.shared or first_to_say():
            raise
        raise Elsewhere from error


def seconds(given: Any) -> float:
    """Return how long to wait for the others, of a field that nobody has looked at yet."""
    try:
        return float(checked("rank_timeout", Recipe.rank_timeout if given is None else given))
    except RecipeError:  # to be said by one rank, once they have met
        return Recipe.rank_timeout


@contextmanager
def together(ranks: Ranks) -> Iterator[None]:
    """Let a mistake that any rank meets in the block end all of them; rank 0 says it."""
    error: UserError | None = None
    try:
        yield
    except UserError as raised:
        if ranks.size == 1 or isinstance(raised, RankLost):
            raise
        error = raised
    if ranks.size > 1:
        raise_first(ranks, error)


def refuse(backend: str | None, error: UserError) -> NoReturn:
    """Raise a mistake that was found before the ranks have met: once they have, one of them says it."""
    ranks = connect(backend or usual_backend(), {})
    with watched(ranks), together(ranks):
        raise error
    raise error  # never, but for a reader of types


def raise_first(ranks: Ranks, error: UserError | None) -> None:
    """Raise the first error that a rank has, if one has any; on the others one that nobody says."""
    told = ranks.gather(str(error).encode() if error else b"")
    first = next((rank for rank, words in enumerate(told) if words), None)
    if first is None:
        return
    if first == ranks.rank == 0 and error:
        raise told_once(ranks, error)
    raise told_once(ranks, RunError(f"rank {first}: {told[first].decode()}"))


def told_once(ranks: Ranks, error: UserError) -> UserError:
    """Return an error that all ranks have alike, as each is to raise it: rank 0 says it."""
    error.shared = True
    return error if ranks.writes else Elsewhere()


def agree(ranks: Ranks, facts: Mapping[str, Any]) -> None:
    """Raise RecipeError where a rank has other facts than rank 0."""
    if ranks.size == 1:
        return
    first, *others = ranks.gather_json({name: str(value) for name, value in facts.items()})
    for rank, own in enumerate(others, 1):
        for name in first:
            if own.get(name) != first[name]:
                had = f"{name} {own.get(name)} on rank {rank}, {first[name]} on rank 0"
                raise told_once(ranks, RecipeError(f"{had}; start all ranks with the same command and version"))


def agree_on(ranks: Ranks, recipe: Recipe, **others: Any) -> None:
    """Raise RecipeError where a rank was started otherwise than rank 0, or has nothing to do."""
    own = {*deciding("machine")} - {*deciding("base")}  # what each machine may have its own way
    facts = {name: value for name, value in to_dict(recipe).items() if name not in own}
    agree(ranks, {"ft-parity": version("ft-parity"), **others, **facts})
    if recipe.batch_size < ranks.size:
        fewer = f"batch_size {recipe.batch_size}: fewer samples than the {ranks.size} ranks"
        raise told_once(ranks, RecipeError(f"{fewer}; raise --batch-size, or start fewer"))


def meet(
    ranks: Ranks, batch: Batch | None, objective: Objective, *, stop: int | None, error: UserError | None
) -> tuple[Batch | None, int | None]:
    """Return the batch with what the samples of all ranks weigh, and a signal that asked any rank to stop.

    One sum before each step; an error that a rank met on the way to it ends all ranks here.
    """
    place = batch.place if batch is not None else None
    weights = by_pass(objective.weighed(batch), place.passes) if batch is not None and place is not None else ()
    weight, errors, stops = ranks.sum(np.array([sum(weights), error is not None, stop or 0], np.float64))
    if errors:
        raise_first(ranks, error)
    if batch is not None and place is not None:
        batch = batch.at(replace(place, weights=weights, weight=float(weight)))
    return batch, int(max(ranks.gather_json(stop or 0))) if stops else None
