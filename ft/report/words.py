"""Numbers in words, alike on every page."""

from typing import Any

from ft.parity.verdict import Row


def figure(value: float) -> str:
    """Return a number with three digits."""
    return "0" if value == 0 else f"{value:.3g}"


def in_words(value: Any) -> str:
    """Return the value of a setting as a person reads it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def size_words(row: Row) -> str:
    """Return how many elements are off, in words."""
    many = row.beyond == row.size
    return f"{'all ' if many else f'{row.beyond:,} of '}{row.size:,} elements"
