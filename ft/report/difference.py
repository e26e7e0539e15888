"""Teach one difference: its text, and its pair of programs run on the spot, each in a process of its own.

`python -m ft.report.catalogue > docs/differences.md` writes the whole catalogue down.
"""

from typing import Any

import numpy as np

from ft.differences import ENTRIES, Entry, find_entry
from ft.differences.pair import NAMES, NO_PAIR, Measured, measure, versions
from ft.system.console import new_console, say, say_pairs, say_table, written

SHOWN = 4  # numbers of each half


def list_text(*, color: bool = False) -> str:
    """Return all entries, by name and title."""
    console = new_console(color=color)
    say_table(console, ("name", "difference"), (("", (entry.name, entry.title)) for entry in ENTRIES.values()))
    say(console, f"{len(ENTRIES)} differences; ft differences NAME explains one and measures it here")
    return written(console)


def show(name: str, *, run: bool = True, color: bool = False) -> str:
    """Return what the catalogue says about a difference, with figures measured on the spot where run is True.

    Raises RecipeError for a name that it does not have.
    """
    entry, console = find_entry(name), new_console(color=color)
    say(console, entry.title, style="bold")
    lines = [("PyTorch", entry.torch), ("Keras", entry.tf), ("why", entry.why), ("how it shows", entry.shows)]
    say_pairs(console, [*lines, ("mend in PyTorch", entry.mend_torch), ("mend in Keras", entry.mend_tf)])
    if run:
        say(console, "")
        say_figures(console, entry)
    return written(console)


def say_figures(console: Any, entry: Entry) -> None:
    """Run the pair and print what came out."""
    if not entry.example.is_dir():
        say(console, NO_PAIR)
        return
    measured = measure(entry)
    say(console, f"Measured just now with {versions()}:", style="bold")
    rows = [("", (NAMES[wing], row(half.default), row(half.mended))) for wing, half in measured.halves.items()]
    rows.append(("bold", ("relative difference", size(measured.default), size(measured.mended))))
    say_table(console, ("", "by default", "mended"), rows)
    for line in [*besides(measured), *(half.trouble for half in measured.halves.values() if half.trouble)]:
        say(console, line)
    say(console, f"the pair, to be read side by side: {entry.example}/with_torch.py and with_tf.py")


def besides(measured: Measured) -> list[str]:
    """Return the figures that are not compared, a line each."""
    lines: dict[str, list[str]] = {}
    for wing, half in measured.halves.items():
        for name, words in half.besides.items():
            lines.setdefault(name, []).append(f"{NAMES[wing]} {words}")
    return [f"{name}: {', '.join(told)}" for name, told in lines.items()]


def row(values: np.ndarray | None) -> str:
    """Return the first few numbers."""
    if values is None:
        return "not run"
    words = "  ".join(f"{value:.6g}" for value in values[:SHOWN])
    return f"{words} ... ({values.size} numbers)" if values.size > SHOWN else words


def size(value: float | None) -> str:
    """Return a relative difference with two digits."""
    return "not measured" if value is None else "0" if value == 0 else f"{value:.2g}"
