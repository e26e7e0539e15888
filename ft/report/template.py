"""The templates of all pages. What they print is escaped, unless it is markup already."""

from functools import cache
from typing import TYPE_CHECKING

from ft.errors import printable
from ft.report.words import figure, in_words, size_words
from ft.system.clean import clean

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def template(name: str) -> "Template":
    """Return the template in the file `name` of this folder."""
    return environment().get_template(name)


@cache
def environment() -> "Environment":
    """Return what all templates share; names that cannot be seen are replaced as they are printed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("ft.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figure=figure, in_words=in_words, size=size_words, printable=printable)
    return made
