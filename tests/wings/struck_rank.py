"""A rank of a training that something happens to: `python -m tests.wings.struck_rank WING FLAGS`.

STRIKE in the environment says what, as JSON: `place`, a function by its path, and at which of its `call`s, from 1;
`deed`: a signal that the process sends itself, or `full`, from where on the disk is; `flags`: further ones; `version`:
another of ft-parity; `rank`: the only one. A file `struck` says that it has come to that, which it does once: what
torchrun starts again is left alone.
"""

import json
import os
import signal
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from tests.ft.robustness.injection import failure, watching

STRIKE = json.loads(os.environ["STRIKE"])
HELD = ExitStack()  # to the end of the process


def strike() -> None:
    """Do the deed."""
    Path("struck").touch()
    if STRIKE["deed"] == "full":
        HELD.enter_context(watching(full))
    else:
        os.kill(os.getpid(), getattr(signal, STRIKE["deed"]))


def full(name: str, *_: object) -> None:
    """Refuse to write."""
    if name in ("write", "mkdir"):
        raise failure("ENOSPC")


def is_struck() -> bool:
    """Tell whether this is the rank that it happens to, started for the first time."""
    rank, again = (int(os.environ.get(name, "0")) for name in ("RANK", "TORCHELASTIC_RESTART_COUNT"))
    return not again and STRIKE.get("rank", rank) == rank


def arm(place: str, call: int) -> None:
    """Strike ahead of a function's call number `call`."""
    path, _, name = place.rpartition(".")
    module, _, owner = path.partition(":")
    home = import_module(module)
    home = getattr(home, owner) if owner else home
    original, seen = getattr(home, name), []

    def struck(*given, **named):
        seen.append(1)
        if len(seen) == call:
            strike()
        return original(*given, **named)

    setattr(home, name, struck)


if __name__ == "__main__":
    from ft.cli.train import train_command
    from ft.training import ranks

    if "place" in STRIKE and is_struck():
        arm(STRIKE["place"], STRIKE.get("call", 1))
    if "version" in STRIKE:
        ranks.version = lambda package: STRIKE["version"]
    sys.exit(train_command([*sys.argv[2:], *STRIKE.get("flags", [])], backend=sys.argv[1]))
