"""What the labels of texts are: classes, numbers, tags of words, or nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ft.data.sources.dataset import Sample
from ft.data.sources.listing import UNLABELLED_TEST, Entry, Listing, note, worded
from ft.data.sources.manifest import COMMAS, as_set, ask_about_commas, not_one
from ft.data.sources.splits import byte_sorted
from ft.data.sources.texts.found import Found, TextListing
from ft.errors import DataError, printable, unknown
from ft.metrics.multilabel import BETWEEN, Labels

VALUE = "value"  # the one class of data whose labels are numbers
OTHER_SCHEME = "texts with tags of another scheme than IOB2 (BIO), read as those of it"
BEGIN, INSIDE, OUTSIDE = {"B-", "S-", "U-"}, {"I-", "E-", "L-"}, "O"  # of a word of an entity, in any scheme


def without_unlabelled_test(listing: TextListing) -> TextListing:
    """Leave the texts of test out where none has a label, as a competition hands them out."""
    tested = {found.name for found in listing.found if found.split == "test"}
    if not tested or any(found.label or found.tags for found in listing.found if found.name in tested):
        return listing
    reason = worded(UNLABELLED_TEST, "text")
    kept = [found for found in listing.found if found.name not in tested]
    ignored = {**listing.ignored, reason: tested}
    return replace(listing, found=kept, notes=[*listing.notes, *note(reason, tested)], ignored=ignored)


def as_listing(listing: TextListing, labels: Labels) -> Listing:
    """Return texts with classes as images have them: one each, or a set where labels say so, see `list_manifest`."""
    cells = [found.label or "" for found in listing.found]
    odd = [at for at, cell in enumerate(cells) if BETWEEN in cell or not cell]
    if odd and labels == "one":
        found = listing.found[odd[0]]
        raise DataError(not_one(cells[odd[0]], found.name, found.where))
    sets = labels == "sets" or bool(odd)
    entries = [Entry(f.split, cell, f.name, f.text) for f, cell in zip(listing.found, cells, strict=True)]
    lines = [found.where for found in listing.found]
    if sets:
        entries = [as_set(entry, line) for entry, line in zip(entries, lines, strict=True)]
    commas = ask_about_commas(entries, lines) if labels != "one" else set()
    ignored = listing.ignored | ({COMMAS: commas} if commas else {})
    notes = [*listing.notes, *note(COMMAS, commas)]
    return Listing(
        listing.name,
        entries,
        listing.folders,
        notes,
        ignored=ignored,
        hidden=listing.hidden,
        multilabel=sets,
        thing="text",
    )


Numbered = tuple[tuple[str, ...], Callable[[Found], Sample]]


def numbered(found: Sequence[Found], classes: tuple[str, ...] | None, labels: Labels) -> Numbered:
    """Return the classes of texts whose labels are no classes of texts, and how each becomes a sample."""
    if labels == "tags":
        return with_tags(found, classes)
    if labels == "numbers":
        return classes or (VALUE,), lambda f: Sample(f.name, as_number(f), f.text)
    return classes or (), lambda f: Sample(f.name, None, f.text)


def as_number(found: Found) -> float:
    """Return a label that is a number."""
    try:
        value = float(found.label or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{found.where}: label '{printable(found.label or '')}'; expected a number, such as 2.5")
    return value


def with_tags(found: Sequence[Found], classes: tuple[str, ...] | None) -> Numbered:
    """Return the tags of words, and how a text with them becomes a sample.

    The tags are those of train; of an entity both B- and I-, and O beside them, whether they occur or not.
    """
    learnt = [f for f in found if f.split not in ("val", "test")] or found
    names = classes or tuple(byte_sorted(whole_scheme({tag for f in learnt for tag in f.tags or ()})))
    number = {name: k for k, name in enumerate(names)}

    def sample(f: Found) -> Sample:
        odd = next((tag for tag in f.tags or () if tag not in number), None)
        if odd is not None:
            raise DataError(f"{f.where}: {unknown('tag', odd, names)} (those of train, or of the model, decide)")
        return Sample(f.name, tuple(number[tag] for tag in f.tags or ()), f.text)

    return names, sample


def in_iob2(listing: TextListing) -> TextListing:
    """Return texts whose words all have a tag, those of entities as in IOB2, with a note where that changes one."""
    untagged = next((f for f in listing.found if f.tags is None), None)
    if untagged is not None:
        raise DataError(f"{untagged.where}: words without tags; expected one for each")
    read = [replace(f, tags=as_iob2(f.tags or ())) for f in listing.found]
    other = [f.name for f, new in zip(listing.found, read, strict=True) if f.tags != new.tags]
    return replace(listing, found=read, notes=[*listing.notes, *note(OTHER_SCHEME, other)])


def is_entity(tag: str) -> bool:
    """Say whether a tag is that of a word in an entity, such as B-LOC."""
    return tag[:2] in BEGIN | INSIDE and len(tag) > 2


def as_iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags of IOB1, IOB2 (BIO), BIOES or BILOU as those of IOB2: the first word of an entity has B-."""
    told: list[str] = []
    for tag in tags:
        kind = tag[1:]
        if not is_entity(tag):
            told.append(tag)
        elif tag[:2] in INSIDE and told and is_entity(told[-1]) and told[-1][1:] == kind:
            told.append("I" + kind)
        else:
            told.append("B" + kind)
    return tuple(told)


def whole_scheme(tags: set[str]) -> set[str]:
    """Return tags with those that entities may have beside them."""
    kinds = {tag[1:] for tag in tags if is_entity(tag)}
    return tags | {mark + kind for kind in kinds for mark in "BI"} | ({OUTSIDE} if kinds else set())
