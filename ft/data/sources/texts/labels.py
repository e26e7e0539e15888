"""What the labels of texts are: classes, numbers, tags of words, or nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ft.data.sources.dataset import Sample
from ft.data.sources.listing import UNLABELLED_TEST, Entry, Listing, note, worded
from ft.data.sources.manifest import COMMAS, as_set, ask_about_commas, not_one
from ft.data.sources.splits import byte_sorted
from ft.data.sources.texts.raw import RawText, TextListing
from ft.errors import DataError, printable, unknown
from ft.metrics.multilabel import BETWEEN, Labels

VALUE = "value"  # the one class of data whose labels are numbers
OTHER_SCHEME = "texts with tags of another scheme than IOB2 (BIO), read as those of it"
BEGIN, INSIDE, OUTSIDE = {"B-", "S-", "U-"}, {"I-", "E-", "L-"}, "O"  # of a word of an entity, in any scheme


def without_unlabelled_test(listing: TextListing) -> TextListing:
    """Leave the texts of test out where none has a label, as a competition hands them out."""
    tested = {raw.name for raw in listing.texts if raw.split == "test"}
    if not tested or any(raw.label or raw.tags for raw in listing.texts if raw.name in tested):
        return listing
    reason = worded(UNLABELLED_TEST, "text")
    kept = [raw for raw in listing.texts if raw.name not in tested]
    ignored = {**listing.ignored, reason: tested}
    return replace(listing, texts=kept, notes=[*listing.notes, *note(reason, tested)], ignored=ignored)


def as_listing(listing: TextListing, labels: Labels) -> Listing:
    """Return texts with classes as images have them: one each, or a set where labels say so, see `list_manifest`."""
    cells = [raw.label or "" for raw in listing.texts]
    odd = [at for at, cell in enumerate(cells) if BETWEEN in cell or not cell]
    if odd and labels == "one":
        raw = listing.texts[odd[0]]
        raise DataError(not_one(cells[odd[0]], raw.name, raw.where))
    sets = labels == "sets" or bool(odd)
    entries = [Entry(raw.split, cell, raw.name, raw.text) for raw, cell in zip(listing.texts, cells, strict=True)]
    lines = [raw.where for raw in listing.texts]
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


Numbered = tuple[tuple[str, ...], Callable[[RawText], Sample]]


def numbered(texts: Sequence[RawText], classes: tuple[str, ...] | None, labels: Labels) -> Numbered:
    """Return the classes of texts whose labels are no classes of texts, and how each becomes a sample."""
    if labels == "tags":
        return with_tags(texts, classes)
    if labels == "numbers":
        return classes or (VALUE,), lambda raw: Sample(raw.name, as_number(raw), raw.text)
    return classes or (), lambda raw: Sample(raw.name, None, raw.text)


def as_number(raw: RawText) -> float:
    """Return a label that is a number."""
    try:
        value = float(raw.label or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{raw.where}: label '{printable(raw.label or '')}'; expected a number, such as 2.5")
    return value


def with_tags(texts: Sequence[RawText], classes: tuple[str, ...] | None) -> Numbered:
    """Return the tags of words, and how a text with them becomes a sample.

    The tags are those of train; of an entity both B- and I-, and O beside them, whether they occur or not.
    """
    learnt = [raw for raw in texts if raw.split not in ("val", "test")] or texts
    names = classes or tuple(byte_sorted(whole_scheme({tag for raw in learnt for tag in raw.tags or ()})))
    number = {name: k for k, name in enumerate(names)}

    def sample(raw: RawText) -> Sample:
        odd = next((tag for tag in raw.tags or () if tag not in number), None)
        if odd is not None:
            raise DataError(f"{raw.where}: {unknown('tag', odd, names)} (those of train, or of the model, decide)")
        return Sample(raw.name, tuple(number[tag] for tag in raw.tags or ()), raw.text)

    return names, sample


def in_iob2(listing: TextListing) -> TextListing:
    """Return texts whose words all have a tag, those of entities as in IOB2, with a note where that changes one."""
    untagged = next((raw for raw in listing.texts if raw.tags is None), None)
    if untagged is not None:
        raise DataError(f"{untagged.where}: words without tags; expected one for each")
    read = [replace(raw, tags=as_iob2(raw.tags or ())) for raw in listing.texts]
    other = [raw.name for raw, new in zip(listing.texts, read, strict=True) if raw.tags != new.tags]
    return replace(listing, texts=read, notes=[*listing.notes, *note(OTHER_SCHEME, other)])


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
