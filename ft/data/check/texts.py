"""Every text of a data set looked at, and all that is to be said about it; see check.py, which does so for images."""

import time
from collections.abc import Iterator, Sequence
from statistics import median

from ft.data.check.findings import all_findings
from ft.data.check.look import Look, look_at_text
from ft.data.check.result import Check, count_classes, splits_of
from ft.data.sources.dataset import Dataset
from ft.data.sources.listing import Entry, Listing
from ft.data.sources.policy import Policy
from ft.data.sources.spelling import one_spelling
from ft.data.sources.texts import labels_in_source, list_texts
from ft.data.sources.texts.dataset import CLASSED, divided
from ft.data.sources.texts.labels import as_listing, as_number, in_iob2, without_unlabelled_test
from ft.data.sources.texts.raw import RawText, TextListing
from ft.errors import DataError, printable
from ft.metrics.multilabel import Labels

KINDS: dict[Labels, str] = {
    "numbers": "numbers",
    "tags": "a tag for each word; a text counts for every tag that is in it",
    "none": "none: for a language model",
}


def check_texts(spec: str, *, val_fraction: float = 0.2, seed: int = 0, policy: Policy) -> Check:
    """Look at every text that `spec` names and return what there is to say. DataError where there are none at all."""
    began = time.perf_counter()
    labels = labels_in_source(spec)
    every = list_texts(spec, policy, labels=labels)
    every = every if labels == "none" else without_unlabelled_test(every)
    good = [raw for raw in every.texts if not raw.fault]
    kept, refusal, dataset = TextListing(every.name, good, every.folders), "", None
    try:
        kept = in_iob2(kept) if labels == "tags" else kept
        options = {"val_fraction": val_fraction, "seed": seed, "classes": None, "policy": Policy(), "labels": labels}
        dataset = divided(kept, spec, **options) if good else None
        refusal = "" if good else "no text can be used"
    except DataError as error:
        refusal = str(error).removeprefix(f"{printable(spec)}: ")
    listing = listed_for_check(kept, every, labels)
    entries = {entry.name: entry for entry in listing.entries}
    looks = tuple(look(raw, entries.get(raw.name)) for raw in every.texts)
    splits = splits_of(listing, dataset)
    classes = count_classes(listing, splits, dataset)
    judged = [c for c in classes if c.images or labels in CLASSED]  # I-X stands beside B-X, met or not
    findings = all_findings(listing, looks, judged, splits, refusal, policy)
    facts = tuple(facts_of(looks, kept.texts, labels, dataset))
    return Check(spec, listing, looks, classes, splits, tuple(findings), time.perf_counter() - began, facts)


def listed_for_check(kept: TextListing, every: TextListing, labels: Labels) -> Listing:
    """Return the usable texts with the labels that are counted, and what the source left out."""
    if labels in CLASSED:
        listing = as_listing(
            TextListing(every.name, kept.texts, every.folders, [], every.ignored, every.hidden), labels
        )
        return one_spelling(listing)
    entries = [
        Entry(raw.split, raw.label or "", raw.name, raw.text, tuple(sorted(set(raw.tags or ())))) for raw in kept.texts
    ]
    return Listing(every.name, entries, ignored=every.ignored, hidden=every.hidden, thing="text")


def look(raw: RawText, entry: Entry | None) -> Look:
    """Return what one text is."""
    if entry is None:
        return Look(Entry(raw.split, raw.label or "", raw.name, raw.text), fault=raw.fault)
    return look_at_text(entry)


def facts_of(
    looks: Sequence[Look], texts: Sequence[RawText], labels: Labels, dataset: Dataset | None
) -> Iterator[tuple[str, str]]:
    """Yield what is said of lengths and labels in a line each."""
    usable = [look.characters for look in looks if look.fault is None]
    if usable:
        yield "characters", f"{median(usable):.0f} in the middle, from {min(usable)} to {max(usable)}"
    pairs = sum(raw.text.pair is not None for raw in texts)
    if pairs:
        yield "pairs", f"{pairs} of two texts each, whose characters are counted together"
    if labels == "numbers" and dataset is not None:
        numbers = [as_number(raw) for raw in texts]
        yield "labels", f"numbers from {min(numbers):.6g} to {max(numbers):.6g}, {median(numbers):.6g} in the middle"
    elif labels in KINDS:
        yield "labels", KINDS[labels]
