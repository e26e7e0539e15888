"""Images with masks -> samples whose label is a `Mask`, the same on every machine.

Before training every file is looked at by its header: whether it is there, and whether mask and image are of one size.
Then every mask is read once, for values that are no class and for classes that none shows; a run that goes on has been
through that. Where a source has no val split, a share is held out by name, as of one class of images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ft.data.images.decode import BadImage
from ft.data.sources.dataset import Dataset, Sample, Source
from ft.data.sources.leaks import leak_notes
from ft.data.sources.listing import Entry, name_bytes
from ft.data.sources.mask import IGNORED, Coding, Mask, values_in
from ft.data.sources.masks.found import are_colours, found_coding, given_coding, ignores_a_class, modes_of
from ft.data.sources.masks.pairs import MaskListing, Pair
from ft.data.sources.masks.source import list_masks
from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.scan import fault_of
from ft.data.sources.sieve import Sieve
from ft.data.sources.splits import split_by_name, to_evaluate
from ft.errors import DataError, listed, printable, unknown

NOTHING_COUNTS = "no val mask has a pixel that counts, so nothing can be measured; draw some, or move others to val"


def read_masks(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    policy: Policy = DEFAULT,
    ignore_index: int = 255,
    learn: bool = False,
) -> Source:
    """Return the images and masks that `spec` names, read once. Raises DataError.

    classes: those of a trained model, in its order; ignore_index: the value whose pixels count for nothing, unless
    classes.txt names it; learn: all masks are read, to be learnt from.
    """
    found = usable_masks(spec, classes, policy, ignore_index, learn=learn)
    return Source(partial(split_masks, found, spec, val_fraction, seed, policy), partial(masks_to_evaluate, found))


def open_masks(spec: str, *, classes: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    """Return the images and masks that `spec` names, with a validation split in any case. options: see `read_masks`."""
    return read_masks(spec, classes=classes, learn=classes is None, **options).split()


def split_masks(found: "Usable", spec: str, val_fraction: float, seed: int, policy: Policy) -> Dataset:
    """Return what can be used as what trains, validates and tests."""
    listing, names, coding, skipped, shown = found
    pairs, held = split_by_name(listing.pairs, val_fraction, seed, where=printable(spec), thing="image")
    train, val, test = (mask_samples((p for p in pairs if p.split == s), coding) for s in ("train", "val", "test"))
    if not train:
        raise DataError(f"{printable(spec)}: no train images; put the images to learn from into train")
    if not val:
        raise DataError(f"{printable(spec)}: a single image, so none is left for val; add images")
    leaks, _ = leak_notes(train, val, test, policy, spec, "image")
    unseen = unseen_notes(names, pairs, shown, printable(spec)) if shown else []
    notes = (*listing.notes, *held, *leaks, *unseen)
    colours = coding.drawn_in(len(names))
    return Dataset(
        listing.name, names, train, val, listing.image_size, notes, skipped, test=test, masks=True, colours=colours
    )


def open_mask_images(spec: str, classes: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    """Return the images to evaluate as `val`, see `Source`. options: see `read_masks`."""
    return read_masks(spec, classes=classes, **options).to_evaluate()


def masks_to_evaluate(found: "Usable") -> Dataset:
    """Return what can be used as what is to be measured."""
    listing, names, coding, skipped, _ = found
    val = mask_samples(to_evaluate(listing.pairs), coding)
    return Dataset(listing.name, names, (), val, listing.image_size, tuple(listing.notes), skipped, masks=True)


class Usable(NamedTuple):
    """Images and masks that can be used, the classes and the coding of masks, and the names of what was skipped.

    shown: the classes that the mask of each image shows, where all were read to be learnt from.
    """

    listing: MaskListing
    classes: tuple[str, ...]
    coding: Coding
    skipped: tuple[str, ...]
    shown: Mapping[str, frozenset[int]]


def usable_masks(
    spec: str, classes: tuple[str, ...] | None, policy: Policy, ignore_index: int, *, learn: bool = False
) -> Usable:
    """Return what a source holds without what the policy skips. learn: all masks are read, to be learnt from."""
    where = printable(spec)
    listing = list_masks(spec, policy, ignore_index=ignore_index)
    sifted = Sieve(listing.pairs, policy, where)
    sifted.drop(lambda pair: geometry_fault(pair, policy), "sizes")
    names, coding, told = choose_coding(listing, sifted, classes, ignore_index)
    if classes is None and (complaint := ignores_a_class(names, coding, ignore_index)):
        raise DataError(f"{where}: {complaint}")
    shown: dict[str, frozenset[int]] = {}
    if learn or policy.on_bad_image == "skip":
        shown = sifted.look(lambda pair: mask_of(pair, coding).shown(policy.max_pixels), "masks")
    notes = [*listing.notes, *told, *sifted.notes]
    listing = replace(listing, pairs=sifted.items, notes=notes)
    return Usable(listing, names, coding, tuple(sifted.bad), shown if learn else {})


def unseen_notes(
    names: Sequence[str], pairs: Sequence[Pair], shown: Mapping[str, frozenset[int]], where: str
) -> list[str]:
    """Return which classes no training mask shows, and which of the others no val mask does, for the user to read.

    DataError where nothing could be measured.
    """
    train, val = ({k for p in pairs if p.split == s for k in shown[p.name]} - {IGNORED} for s in ("train", "val"))
    if not val:
        raise DataError(f"{where}: {NOTHING_COUNTS}")
    unseen = [printable(name) for k, name in enumerate(names) if k not in train]
    unmeasured = [printable(name) for k, name in enumerate(names) if k in train - val]
    told = [f"classes that no training mask shows, so that nothing teaches them: {listed(unseen, 6)}"] if unseen else []
    return told + ([f"classes that no val mask shows: {listed(unmeasured, 6)}"] if unmeasured else [])


def geometry_fault(pair: Pair, policy: Policy) -> BadImage | None:
    """Return what the headers say is wrong with a pair; where bad images are skipped, the image is decoded, too."""
    try:
        pair.require_geometry()
    except BadImage as fault:
        return fault
    if policy.on_bad_image == "error":
        return None
    return fault_of(Entry("", "", pair.name, pair.source), policy.max_pixels, policy.short_side)


def choose_coding(
    listing: MaskListing, sifted: Sieve[Pair], given: tuple[str, ...] | None, ignore_index: int
) -> tuple[tuple[str, ...], Coding, list[str]]:
    """Return the classes, how values become their numbers, and notes: of the source, of a trained model, or found."""
    if listing.names is not None and listing.coding is not None:
        if given is None and len(listing.names) < 2:
            shown = listed(f"'{printable(name)}'" for name in listing.names)
            raise DataError(f"{sifted.where}: one class, {shown}; training needs at least two")
        return given or listing.names, renumbered(listing.names, listing.coding, given, sifted.where), []
    if given is not None:
        return given, given_coding(given, ignore_index), []
    colours = are_colours(modes_of(sifted.items))
    values = values_of(sifted, colours)
    names, coding, told = found_coding(values, ignore_index, sifted.where, colours=colours)
    return names, coding, [told]


def values_of(sifted: Sieve[Pair], colours: bool) -> set[int]:
    """Return the values that occur in the masks that can be read."""

    def values_of_one(pair: Pair) -> tuple[int, ...]:
        assert pair.drawing is not None, "pairs without a mask were left out"
        return values_in(pair.drawing, colours=colours, max_pixels=sifted.policy.max_pixels)

    return set().union(*sifted.look(values_of_one, "reading masks").values())


def renumbered(names: Sequence[str], coding: Coding, given: Sequence[str] | None, where: str) -> Coding:
    """Return the coding with the numbers of a trained model's classes."""
    if given is None or tuple(given) == tuple(names):
        return coding
    for name in names:
        if name not in given:
            raise DataError(f"{where}: {unknown('class', printable(name), given)} (the model's classes decide)")
    return coding.renumbered([list(given).index(name) for name in names])


def mask_of(pair: Pair, coding: Coding) -> Mask:
    """Return the mask of a pair that has one."""
    assert pair.drawing is not None, "pairs without a mask were left out"
    return Mask(pair.mask, pair.drawing, coding)


def mask_samples(pairs: Iterable[Pair], coding: Coding) -> tuple[Sample, ...]:
    """Return pairs as samples, in byte order of their names."""
    ordered = sorted(pairs, key=lambda pair: name_bytes(pair.name))
    return tuple(Sample(pair.name, mask_of(pair, coding), pair.source) for pair in ordered)
