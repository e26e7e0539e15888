"""Numbers in words, alike on every page."""

from ft.parity.verdict import Row


def figure(value: float) -> str:
    """Return a number with three digits."""
    return "0" if value == 0 else f"{value:.3g}"


def size_words(row: Row) -> str:
    """Return how many elements are off, in words."""
    many = row.beyond == row.size
    return f"{'all ' if many else f'{row.beyond:,} of '}{row.size:,} elements"
