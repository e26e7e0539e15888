"""Text for terminals, pipes and files alike: at most 100 columns, no colour unless asked for, names as they are."""

from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING

from ft.system.clean import clean

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100


def new_console(*, color: bool = False) -> "Console":
    """Return a console that writes to a string; color: for a terminal."""
    from rich.console import Console

    system = "standard" if color else None
    return Console(file=StringIO(), width=WIDTH, color_system=system, force_terminal=color, highlight=False)


def written(console: "Console") -> str:
    """Return what was printed."""
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def say(console: "Console", text: str, *, style: str = "") -> None:
    """Print a line as it is: markup in a name stays what it is."""
    from rich.text import Text

    console.print(Text(clean(text), style), overflow="fold")


def say_pairs(console: "Console", lines: Iterable[tuple[str, str]]) -> None:
    """Print a column of words beside a column of what they mean; where there is nothing to say, nothing."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        if value:
            grid.add_row(Text(f"  {clean(name)}", "dim"), Text(clean(value)))
    console.print(grid)


def say_table(console: "Console", headings: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Print a table. headings: those that begin with ">" stand on the right; rows: a style ("red") and cells."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading.lstrip(">"), justify="right" if heading.startswith(">") else "left", overflow="fold")
    for style, cells in rows:
        table.add_row(*(Text(clean(cell), style) for cell in cells))
    console.print(table)
