"""What to do about data that is not as it should be: the fields of the recipe that say it, and their refusals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ft.data.images.decode import MAX_PIXELS
from ft.data.sources.listing import note
from ft.errors import DataError, listed, printable
from ft.recipe import Recipe, deciding


@dataclass(frozen=True)
class Policy:
    """How a data set is opened: the recipe's fields of these names, and how images are tried out before they train.

    short_side: pixels that they will be resized to, None where that is not known; quiet: without a progress bar.
    """

    on_bad_image: Literal["error", "skip"] = "error"
    max_bad_fraction: float = 0.01
    max_pixels: int = MAX_PIXELS
    fail_on_leak: bool = False
    fail_on_empty_class: bool = False
    allow_outside_root: bool = False
    workers: int = 2
    short_side: int | None = None
    quiet: bool = True

    @classmethod
    def of(cls, recipe: Recipe, *, short_side: int | None, quiet: bool = True) -> "Policy":
        """Return the policy of a recipe."""
        return cls(**{name: getattr(recipe, name) for name in deciding("opening")}, short_side=short_side, quiet=quiet)


DEFAULT = Policy()


class Fault(Protocol):
    """What is wrong with an image or a text; as a str it is the whole message."""

    @property
    def reason(self) -> str: ...


def left_out(bad: Sequence[tuple[str, Fault]], count: int, policy: Policy, *, where: str, thing: str) -> list[str]:
    """Return a note on those of `count` images or texts that cannot be used, by name; [] where all can.

    Raises DataError where the policy skips none, or not so many.
    """
    if not bad:
        return []
    if policy.on_bad_image == "error":
        more = f" (and {len(bad) - 1} more; ft data check lists them)" if len(bad) > 1 else ""
        raise DataError(f"{bad[0][1]}{more}")
    said = f"{len(bad)} of {count}"
    shown = listed((f"{printable(name)}: {fault.reason.split(';')[0]}" for name, fault in bad), 3)
    if len(bad) > policy.max_bad_fraction * count:
        raise DataError(
            f"{where}: {said} {thing}s cannot be used ({shown}), more than the {policy.max_bad_fraction:.3g} of "
            "max_bad_fraction; mend what ft data check lists, or raise it"
        )
    return [f"skipped, {thing}s that cannot be used: {said} ({shown})"]


def require_none(names: Iterable[str], forbidden: bool, spec: str, what: str, flag: str) -> list[str]:
    """Return the names, or raise DataError where the policy forbids that there are any."""
    names = list(names)
    if forbidden and names:
        raise DataError(f"{printable(spec)}: {note(what, names)[0]}; mend the data, or pass {flag}")
    return names
