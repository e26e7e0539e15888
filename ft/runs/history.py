"""The history of a run: its sessions, each from a start or a resume to the next one, as every checkpoint keeps them.

A session has when it began (began, and after which step and epoch), the wing (backend), command, machine, versions of
the packages, and recipe: every field in the first one, in a later one those that it changed.
"""

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ft.recipe import Recipe, to_dict
from ft.system.cores import usable_cores
from ft.system.reading import shortened

MOST = 1000  # sessions that are kept: the first one and the last
Session = Mapping[str, Any]
Changes = dict[str, tuple[Any, Any]]  # field -> before, now


def recorded(state: Mapping[str, Any]) -> list[Session]:
    """Return the sessions of a run. state: of a checkpoint; one of before there was a history tells of one session."""
    if "history" in state:
        return list(state["history"])
    known = {key: state[key] for key in ("backend", "recipe", "versions") if key in state}
    return [{"step": 0, "epoch": 0, **known}]


def session(
    recipe: Mapping[str, Any], *, backend: str, device: str, versions: Mapping[str, str], step: int, epoch: int
) -> Session:
    """Return the record of the session that begins now. recipe: see the head of this file."""
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "epoch": epoch,
        "backend": backend,
        "command": command(),
        "machine": machine(device),
        "versions": versions,
        "recipe": recipe,
    }


def joined(before: Sequence[Session], now: Session) -> list[Session]:
    """Return a history with one session more, the first and the last ones of very many."""
    return [*before[:1], *before[1:][2 - MOST :], now]


def command() -> str:
    """Return the command line of this process as a shell takes it, without the folder of the program."""
    words = sys.orig_argv or ["python"]
    if len(words) > 1 and Path(words[1]).name == "ft":  # the script, which the interpreter runs
        words = words[1:]
    return shortened(shlex.join([Path(words[0]).name, *words[1:]]), 2000)


def machine(device: str) -> str:
    """Return in a few words what this process runs on."""
    parts = (platform.node(), f"{platform.system()} {platform.machine()}", f"{usable_cores()} cores", device)
    return shortened(", ".join(filter(None, parts)), 200)


def changes(before: Recipe, now: Recipe) -> Changes:
    """Return the fields of a recipe that another one changes."""
    old, new = to_dict(before), to_dict(now)
    return {name: (old[name], new[name]) for name in new if new[name] != old[name]}


def changes_by_session(history: Sequence[Session]) -> list[Changes]:
    """Return what each session changed of the recipe; nothing for the first one."""
    known: dict[str, Any] = {}
    by_session = []
    for session in history:
        by_session.append({key: (known.get(key), value) for key, value in session["recipe"].items()} if known else {})
        known |= session["recipe"]
    return by_session


def change_words(changed: Changes) -> str:
    """Return changes as "lr 0.1 to 0.2, epochs 2 to 4"."""
    return ", ".join(f"{name} {shown(old)} to {shown(new)}" for name, (old, new) in changed.items())


def shown(value: Any) -> str:
    """Return the value of a field as a flag takes it, cut where it is long."""
    if value is None:
        return "none"
    return shortened(",".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value))


def wings(history: Sequence[Session]) -> list[str]:
    """Return the wings that a run was in, one after the other."""
    return [backend for backend, _ in groupby(session["backend"] for session in history)]
