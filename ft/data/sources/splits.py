"""Which samples train, validate and test, whatever they are: images, masks or texts, each with a name and a split."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar

from ft.data.sources.listing import Entry, name_bytes
from ft.errors import DataError
from ft.noise import generator


class Splittable(Protocol):
    """A dataclass with a name and a split, which is "" where the source says none."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str: ...

    @property
    def split(self) -> str: ...


Item = TypeVar("Item", bound=Splittable)


def to_evaluate(items: Sequence[Item]) -> Sequence[Item]:
    """Return what a model is measured by: the items of val, else those of test, else all."""
    splits = ([item for item in items if item.split == split] for split in ("val", "test"))
    return next(filter(None, splits), items)


def split_by_name(
    items: Sequence[Item],
    fraction: float,
    seed: int,
    *,
    where: str,
    thing: str,
    whole: Callable[[Item], str] = lambda item: item.name,
) -> tuple[list[Item], list[str]]:
    """Return items that have no classes with a split each, and notes; see `hold_out`: all are of one class.

    whole: the name of what an item is a part of, which is held out as a whole. DataError for a fraction of 0 without
    items of val.
    """
    if any(item.split == "val" for item in items):
        return [replace(item, split=item.split or "train") for item in items], []
    require_share(fraction, where, thing)
    val = drawn_for_val({whole(item) for item in items if item.split != "test"}, fraction, seed, 0)
    told = [f"no val {thing}s: {fraction:.0%} of train held out"] if any(item.split for item in items) else []

    def split_of(item: Item) -> str:
        if item.split == "test":
            return "test"
        return "val" if whole(item) in val else "train"

    return [replace(item, split=split_of(item)) for item in items], told


def hold_out(entries: list[Entry], classes: Sequence[str], fraction: float, seed: int) -> tuple[list[Entry], list[str]]:
    """Return the entries with a split each, and the classes of one image, which train.

    Of the n names of a class in byte order, permuted by generator(seed, "split", class index), the first
    round(fraction * n), at least 1 and at most n - 1, are val. So a class's split depends on nothing but its own names.
    An image of several labels counts for the rarest of them, the first in byte order of equal ones; images without a
    label are a class of their own, with the index behind the last.
    """
    images = Counter(label for entry in entries for label in entry.labels)
    place = {name: index for index, name in enumerate(classes)}
    members: list[list[str]] = [[] for _ in range(len(classes) + 1)]
    for entry in entries:
        rarest = min((images[label], place[label]) for label in entry.labels)[1] if entry.labels else len(classes)
        members[rarest].append(entry.name)
    val = set[str]().union(*(drawn_for_val(group, fraction, seed, index) for index, group in enumerate(members)))
    split = [replace(e, split="val" if e.name in val else "train") for e in entries]
    return split, [name for name in classes if images[name] == 1]


def drawn_for_val(names: Iterable[str], fraction: float, seed: int, index: int) -> set[str]:
    """Return the names of one class that are val, see `hold_out`."""
    ordered = byte_sorted(names)
    count = min(max(round(fraction * len(ordered)), 1), len(ordered) - 1)
    if count <= 0:
        return set()
    order = generator(seed, "split", index).permutation(len(ordered))
    return {ordered[i] for i in order[:count]}


def require_share(fraction: float, where: str, thing: str) -> None:
    """Raise DataError where nothing is to be held out."""
    if not fraction:
        raise DataError(
            f"{where}: val_fraction 0 and no val {thing}s, so nothing would be measured; give some to val, or hold a "
            "share out with --val-fraction 0.2"
        )


def byte_sorted(names: Iterable[str]) -> list[str]:
    """Return names sorted by their bytes, which no locale changes."""
    return sorted(names, key=name_bytes)
