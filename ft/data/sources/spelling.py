"""Accents are written in two ways that look the same, NFC and NFD, and systems turn one into the other: one class."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from unicodedata import normalize

from ft.data.sources.listing import Entry, Listing, labels_in, name_bytes, note
from ft.metrics.multilabel import BETWEEN

TWO_WAYS = "classes whose accents are written in two ways (NFC and NFD), taken for one each"


def one_spelling(listing: Listing, given: Sequence[str] = ()) -> Listing:
    """Return a listing in which no two classes differ in nothing but how accents are written, with a note.

    given: the classes of a trained model, whose spelling goes before; else NFC, where both occur.
    """
    spelt = spellings(listing.folders | labels_in(listing.entries), given)
    if not spelt:
        return listing
    entries = [spell(entry, spelt) for entry in listing.entries]
    folders, chosen = {spelt.get(name, name) for name in listing.folders}, set(spelt.values())
    notes, ignored = [*listing.notes, *note(TWO_WAYS, chosen)], {**listing.ignored, TWO_WAYS: chosen}
    return replace(listing, entries=entries, folders=folders, notes=notes, ignored=ignored)


def spellings(labels: Iterable[str], given: Sequence[str]) -> dict[str, str]:
    """Return label -> the label that it is taken for, of those that change."""
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for label in labels:
        alike[normalize("NFC", label)].add(label)
    own = {normalize("NFC", name.strip()): name for name in given}  # older models kept the blanks of a CSV's cells
    own |= {form: form for form in given}
    chosen = {form: own.get(form, form if len(names) > 1 else min(names)) for form, names in alike.items()}
    return {name: chosen[form] for form, names in alike.items() for name in names if name != chosen[form]}


def spell(entry: Entry, spelt: dict[str, str]) -> Entry:
    """Return an entry with its labels in the chosen spelling."""
    if entry.several is None:
        return replace(entry, label=spelt.get(entry.label, entry.label))
    several = tuple(sorted({spelt.get(name, name) for name in entry.several}, key=name_bytes))
    return replace(entry, label=BETWEEN.join(several), several=several)
