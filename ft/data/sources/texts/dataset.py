"""Texts -> samples whose source is a `Text`, the same on every machine, in the order of their source.

Texts that are empty, or no UTF-8, stop the training or are left out, as the policy says, before splits are made. Where
a source has no val split, a share of each class is held out, or of all texts where these have no classes.
"""

from collections.abc import Sequence
from dataclasses import replace

from ft.data.sources.dataset import (
    LEAKS,
    Dataset,
    Sample,
    byte_sorted,
    hold_out,
    listing_to_evaluate,
    require_none,
    split_listing,
)
from ft.data.sources.leaks import find_leaks
from ft.data.sources.listing import Entry, note
from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.texts.found import Found, TextListing
from ft.data.sources.texts.labels import as_listing, in_iob2, numbered, without_unlabelled_test
from ft.data.sources.texts.plain import BLOCK
from ft.data.sources.texts.source import list_texts
from ft.errors import DataError, listed, printable
from ft.metrics.multilabel import Labels

CLASSED = ("one", "sets", "either")  # labels that are classes of texts; others: numbers, tags and none


def open_texts(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    policy: Policy = DEFAULT,
    labels: Labels = "one",
    block: int = BLOCK,
) -> Dataset:
    """Return the texts that `spec` names, with a validation split in any case.

    classes: those of a trained model, in its order. labels: "one" class a text, "sets" of any number, or "either";
    "numbers", a float each; "tags", the class numbers of its words; "none", where a text alone is there to learn from.
    block: characters of a block of plain text at most. Raises DataError.
    """
    listing, skipped = usable_texts(spec, policy, labels, block)
    return divided(
        listing,
        spec,
        val_fraction=val_fraction,
        seed=seed,
        classes=classes,
        policy=policy,
        labels=labels,
        skipped=skipped,
    )


def divided(
    listing: TextListing,
    spec: str,
    *,
    val_fraction: float,
    seed: int,
    classes: tuple[str, ...] | None,
    policy: Policy,
    labels: Labels,
    skipped: tuple[str, ...] = (),
) -> Dataset:
    """Number the labels of usable texts and split these, see `open_texts`."""
    if labels in CLASSED:
        data = split_listing(
            as_listing(listing, labels),
            spec,
            val_fraction=val_fraction,
            seed=seed,
            classes=classes,
            policy=policy,
            skipped=skipped,
        )
        return replace(data, texts=True)
    names, as_sample = numbered(listing.found, classes, labels)
    found, notes = split_found(listing, spec, val_fraction, seed)
    train, val, test = (tuple(as_sample(f) for f in found if f.split == s) for s in ("train", "val", "test"))
    require_to_learn(train, val, spec, labels)
    notes += leaks_among(train, val, test, policy, spec)
    return Dataset(listing.name, names, train, val, notes=tuple(notes), skipped=skipped, test=test, texts=True)


def open_text_samples(
    spec: str,
    classes: tuple[str, ...] | None = None,
    *,
    policy: Policy = DEFAULT,
    labels: Labels = "one",
    block: int = BLOCK,
) -> Dataset:
    """Return the texts to evaluate as `val`, and an empty `train`: the val split, else the test split, else all."""
    listing, skipped = usable_texts(spec, policy, labels, block)
    if labels in CLASSED:
        return replace(listing_to_evaluate(as_listing(listing, labels), spec, classes, skipped), texts=True)
    names, as_sample = numbered(listing.found, classes, labels)
    splits = ([f for f in listing.found if f.split == split] for split in ("val", "test"))
    val = tuple(map(as_sample, next(filter(None, splits), listing.found)))
    return Dataset(listing.name, names, (), val, notes=tuple(listing.notes), skipped=skipped, texts=True)


def usable_texts(spec: str, policy: Policy, labels: Labels, block: int) -> tuple[TextListing, tuple[str, ...]]:
    """Return the texts that can be used, and the names of the others, where the policy skips any."""
    listing = list_texts(spec, policy, labels=labels, block=block)
    bad = [found for found in listing.found if found.fault]
    if bad and policy.on_bad_image == "error":
        more = f" (and {len(bad) - 1} more; ft data check lists them)" if len(bad) > 1 else ""
        raise DataError(f"{bad[0].fault}{more}")
    said = f"{len(bad)} of {len(listing.found)}"
    shown = listed((f"{f.name}: {f.fault.reason.split(';')[0]}" for f in bad if f.fault), 3)
    if len(bad) > policy.max_bad_fraction * len(listing.found):
        raise DataError(
            f"{printable(spec)}: {said} texts cannot be used ({shown}), more than the {policy.max_bad_fraction:.3g} of "
            "max_bad_fraction; mend what ft data check lists, or raise it"
        )
    notes = [*listing.notes, *([f"skipped, texts that cannot be used: {said} ({shown})"] if bad else [])]
    kept = replace(listing, found=[f for f in listing.found if not f.fault], notes=notes)
    if not kept.found:
        raise DataError(f"{printable(spec)}: no text that can be used; expected at least one")
    if labels != "none":
        kept = without_unlabelled_test(kept)
    return (in_iob2(kept) if labels == "tags" else kept), tuple(f.name for f in bad)


def split_found(listing: TextListing, spec: str, fraction: float, seed: int) -> tuple[list[Found], list[str]]:
    """Return the texts with a split each, and notes. See `hold_out`: all texts are of one class."""
    found, notes = listing.found, list(listing.notes)
    if any(f.split == "val" for f in found):
        return [replace(f, split=f.split or "train") for f in found], notes
    if not fraction:
        raise DataError(
            f"{printable(spec)}: val_fraction 0 and no val texts, so nothing would be measured; give some to val, "
            "or hold a share out with --val-fraction 0.2"
        )
    whole = {f.document or f.name: f for f in found if f.split != "test"}
    entries = [Entry("", "", name, f.text, ()) for name, f in whole.items()]
    split = {entry.name: entry.split for entry in hold_out(entries, (), fraction, seed)[0]}
    if any(f.split for f in found):
        notes.append(f"no val texts: {fraction:.0%} of train held out")
    return [replace(f, split=split.get(f.document or f.name, f.split)) for f in found], notes


def require_to_learn(train: Sequence[Sample], val: Sequence[Sample], spec: str, labels: Labels) -> None:
    """Raise DataError where there is nothing to learn from, to tell apart, or to measure by."""
    if not train:
        raise DataError(f"{printable(spec)}: no train texts; put the texts to learn from into train")
    if not val:
        raise DataError(f"{printable(spec)}: a single text, so none is left for val; add texts")
    if labels == "numbers" and len({sample.label for sample in train}) < 2:
        raise DataError(f"{printable(spec)}: all train texts have the number {train[0].label}; add others")


def leaks_among(
    train: tuple[Sample, ...], val: tuple[Sample, ...], test: tuple[Sample, ...], policy: Policy, spec: str
) -> list[str]:
    """Return notes on the texts of val and test that train has, too; DataError where the policy forbids them."""
    notes = []
    for what, known, held in zip(LEAKS["text"], (train, train + val), (val, test), strict=True):
        leaks = require_none(find_leaks(known, held), policy.fail_on_leak, spec, what, "--no-fail-on-leak")
        notes += note(what, byte_sorted(leaks))
    return notes
