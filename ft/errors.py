"""The errors that users see: one line each, with what was found, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

NO_MEMORY = "failed to map segment", "Cannot allocate memory", "cannot allocate memory"  # of the loader and the system


class UserError(Exception):
    """A mistake that the user can mend. Commands print it as one line and exit with code 2.

    shared: whether all processes that train together know of it, and end.
    """

    shared = False


class RecipeError(UserError):
    """A recipe, a flag or a keyword that cannot be understood."""


class DataError(UserError):
    """A data set, or one of its files, that cannot be used."""


class WeightsError(UserError):
    """A weights file that cannot be had, cannot be trusted or does not fit."""


class RunError(UserError):
    """A run folder or checkpoint that cannot be used."""


class RankLost(RunError):
    """A process that trains along is gone, or does not answer."""


class Elsewhere(UserError):
    """What ends this process is said by another rank. Commands exit with code 2 and say nothing."""

    shared = True


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not in `known`, with the nearest ones first."""
    known, word = sorted(known), word[:100]
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {listed(known)}"
    return f"unknown {kind} '{printable(word)}'; {hint}"


def printable(text: object) -> str:
    """Return a path, a class name or a key for one line of text: control characters and undecodable bytes escaped."""
    said = str(text)
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def article(word: str) -> str:
    """Return a word with "a" or "an" before it."""
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Join names for a message and say how many were left out."""
    names = list(names)
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def first_line(error: BaseException) -> str:
    """Return the first line that a framework's error says, or its class where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def memory_is_exhausted(error: BaseException, wings: Iterable[Any]) -> bool:
    """Tell whether the machine or the device has no memory left, by Python's word or that of one of these wings."""
    said = isinstance(error, (ImportError, OSError)) and any(words in str(error) for words in NO_MEMORY)
    return said or isinstance(error, MemoryError) or any(wing.is_out_of_memory(error) for wing in wings)
