"""Modules of this project run as programs of their own; no file of the current folder takes the place of another."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = str(Path(__file__).parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """Return the command `python -m module ...`, but for the current folder, which -m would put first on sys.path.

    Else a file `numbers.py` that lies beside downloaded weights would run.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def path_with_current_folder_last() -> str:
    """Return the PYTHONPATH of a program that imports a user's modules, from the current folder as well.

    That comes last: a data folder's `numpy.py` is not what anybody means by numpy.
    """
    here = os.path.realpath(os.getcwd())
    places = [place for place in sys.path if place and os.path.realpath(place) != here]
    return os.pathsep.join([*([] if ROOT in places else [ROOT]), *places, here])


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of such a program: this process's own, with this project on its path, and the changes."""
    places = [ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), **(changes or {})}
