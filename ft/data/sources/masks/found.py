"""Classes that no file names: the values or colours that occur in the masks, in ascending order.

A class has the name of its value, or of its colour as #rrggbb, so a trained model's names say how its masks are read.
Every mask is read once for it, where a classes.txt would save that.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ft.data.images.decode import BadImage
from ft.data.sources.mask import AS_COLOURS, IGNORED, MOST, Coding, coded
from ft.data.sources.masks.pairs import Pair
from ft.errors import DataError, listed, printable

COLOUR = re.compile("#[0-9a-f]{6}")


def are_colours(modes: Iterable[str]) -> bool:
    """Say whether masks are read as colours, as they are where one of them is kept in colours."""
    return any(mode in AS_COLOURS for mode in modes)


def found_coding(
    values: Iterable[int], ignore_index: int, where: str, *, colours: bool
) -> tuple[tuple[str, ...], Coding, str]:
    """Return the names and the coding of the values that occur, and a note. Colours that are all grey are values."""
    every = sorted(set(values))
    if colours and all(v % 0x010101 == 0 for v in every):
        every, colours = [v & 255 for v in every], False
    own = [v for v in every if colours or v != ignore_index]
    if len(own) > MOST:
        raise DataError(
            f"{where}: {len(own)} {'colours' if colours else 'values'} occur in the masks, at most {MOST} can be "
            "classes; save masks without blur, or write classes.txt"
        )
    if len(own) < 2:
        shown = listed(map(str, own)) or "nothing"
        hint = (
            f", {ignore_index} is ignored; if that is a class, name it in classes.txt" if len(own) < len(every) else ""
        )
        raise DataError(f"{where}: all masks hold one value, {shown}{hint or '; training needs at least two classes'}")
    coding = coded(own, [] if colours else [ignore_index], colours=colours)
    names = tuple(coding.show(v) for v in own)
    kind = "colours" if colours else "values"
    return names, coding, f"no classes.txt, so the {kind} that occur are the classes: {listed(names, 6)}"


def ignores_a_class(names: Sequence[str], coding: Coding, ignore_index: int) -> str:
    """Return what is said of an ignore_index that was asked for, and whose value is a class; "" where all is well."""
    number = coding.classes.get(ignore_index, IGNORED)
    if coding.colours or ignore_index == IGNORED or number == IGNORED:
        return ""
    return (
        f"ignore_index {ignore_index} is the value of the class '{printable(names[number])}', so it would count; call "
        "it ignore in classes.txt, or leave --ignore-index out"
    )


def given_coding(names: Sequence[str], ignore_index: int) -> Coding:
    """Return the coding of a trained model's classes, whose names are values or colours."""
    if all(COLOUR.fullmatch(name) for name in names):
        return coded([int(name[1:], 16) for name in names], colours=True)
    if all(re.fullmatch("[0-9]{1,5}", name) for name in names):
        return coded([int(name) for name in names], [ignore_index])
    raise DataError(
        f"the model's classes, {listed(map(printable, names), 3)}, are no values; write classes.txt beside the masks, "
        "with the value or the colour of each"
    )


def modes_of(pairs: Iterable[Pair]) -> list[str]:
    """Return the modes that the headers of masks say; those that cannot be read are told of elsewhere."""
    modes = []
    for pair in pairs:
        with suppress(BadImage):
            modes += [pair.drawing.header().mode] if pair.drawing else []
    return modes
