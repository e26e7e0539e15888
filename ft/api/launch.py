"""Several local processes of one training, each told its place as torchrun and tf.distribute tell it."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

from ft import recipe as recipes
from ft.backend import contract as backends
from ft.errors import RecipeError, RunError
from ft.recipe import Recipe
from ft.runs import checkpoint
from ft.runs.tables import checked_training
from ft.system import apart
from ft.system.cores import usable_cores
from ft.system.names import STATE
from ft.system.together import run_together
from ft.training.job import recipe_of

HERE = "127.0.0.1"
PORTS = range(15_000, 30_000)  # a system gives who asks for any port one above
TOLD = ("WORLD_SIZE", "TF_CONFIG")  # by which one who is a process of several knows it
MOST = 4  # processes a core: beyond it is a slip of the finger
THREADS = {"torch": ("OMP_NUM_THREADS",), "tf": ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}


def launch(
    arguments: Sequence[str], *, processes: int, backend: str | None, resume: str | None, fields: dict[str, Any]
) -> int:
    """Run `python -m ft_BACKEND.train ARGUMENTS` in so many processes of this machine and return the exit code.

    backend, resume, fields: what the arguments say, to refuse what cannot be before anything starts.
    """
    require_processes(processes)
    recipe, own = begun(Path(resume), fields) if resume else (recipe_of(fields), "torch")
    backend = backend or own
    backends.require(backend)
    require_shares(processes, recipe.batch_size)
    require_devices(processes, recipe.device, os.environ)
    return run_together(apart.command(f"ft_{backend}.train", *arguments), environments(processes, backend))


def begun(folder: Path, fields: dict[str, Any]) -> tuple[Recipe, str]:
    """Return the recipe by which a run goes on, and the wing that it was in."""
    saved = checkpoint.last_good(folder)
    if saved is None:
        raise RunError(f"{folder} holds no checkpoint to go on from; pass the folder of a run that has one")
    state = checked_training(saved.state, saved.path / STATE)
    return recipes.from_dict({**state["recipe"], **fields}), str(state["backend"])


def require_processes(processes: int) -> None:
    """Raise RecipeError where so many processes make no sense here."""
    most = MOST * usable_cores()
    if not 1 <= processes <= most:
        raise RecipeError(f"processes: got {processes}; on {usable_cores()} cores it must be from 1 to {most}")
    if told := next((name for name in TOLD if processes > 1 and name in os.environ), None):
        raise RecipeError(
            f"launch: {told} says that this is one process of several already; start python -m ft_torch.train or "
            "python -m ft_tf.train there, or unset it"
        )


def require_shares(processes: int, batch_size: int) -> None:
    """Raise RecipeError where a process would get nothing of a batch."""
    if batch_size < processes:
        raise RecipeError(
            f"processes: got {processes}, more than the {batch_size} samples of a batch, of which each takes a part; "
            "raise --batch-size or start fewer"
        )


def require_devices(processes: int, device: str, environment: Mapping[str, str]) -> None:
    """Raise RecipeError where two processes would get one GPU, as far as CUDA_VISIBLE_DEVICES tells."""
    visible = [word.strip() for word in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
    twice = next((word for word in visible if visible.count(word) > 1), None)
    if twice is not None and device != "cpu":
        raise RecipeError(f"CUDA_VISIBLE_DEVICES names device {twice} twice; each process needs one of its own")
    if device == "mps" and processes > 1:
        raise RecipeError("device: mps is a single device; expected --processes 1, or --device cpu")
    if device == "cuda" and visible and len(visible) < processes:
        raise RecipeError(
            f"processes: got {processes}, but CUDA_VISIBLE_DEVICES names {len(visible)} devices, of which each process "
            "needs one of its own; start fewer, or pass --device cpu"
        )


def environments(processes: int, backend: str) -> list[dict[str, str]]:
    """Return the environment of each process: its place among the others, and its share of the cores."""
    threads = str(max(1, usable_cores() // processes))
    shares = {name: os.environ.get(name, threads) for name in THREADS[backend]}
    places = torch_places(processes) if backend == "torch" else tf_places(processes)
    return [apart.environment({**shares, **place}) for place in places]


def torch_places(processes: int) -> list[dict[str, str]]:
    """Return what torchrun would set for each of several processes of one machine."""
    (port,) = free_ports(1)
    size = str(processes)
    shared = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": HERE, "MASTER_PORT": str(port)}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def tf_places(processes: int) -> list[dict[str, str]]:
    """Return the TF_CONFIG of each of several workers of one machine."""
    workers = [f"{HERE}:{port}" for port in free_ports(processes)]
    tasks = [{"type": "worker", "index": rank} for rank in range(processes)]
    return [{"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})} for task in tasks]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses, all of them different, and that no other program is given until they are taken."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in SystemRandom().sample(PORTS, len(PORTS)):
            if len(found) == count:
                break
            with suppress(OSError):
                stack.enter_context(socket.socket()).bind((HERE, port))
                found.append(port)
    if len(found) < count:
        raise RunError(f"{HERE}: no free port from {PORTS[0]} to {PORTS[-1]}; end what uses them")
    return found
