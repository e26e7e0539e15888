"""Texts -> samples whose source is a `Text`, the same on every machine, in the order of their source.

Texts that are empty, or no UTF-8, stop the training or are left out, as the policy says, before splits are made. Where
a source has no val split, a share of each class is held out, or of all texts where these have no classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ft.data.sources.dataset import Dataset, Sample, Source, listing_to_evaluate, split_listing
from ft.data.sources.leaks import leak_notes
from ft.data.sources.policy import DEFAULT, Policy, left_out
from ft.data.sources.splits import split_by_name, to_evaluate
from ft.data.sources.texts.labels import as_listing, in_iob2, numbered, without_unlabelled_test
from ft.data.sources.texts.plain import BLOCK
from ft.data.sources.texts.raw import RawText, TextListing
from ft.data.sources.texts.source import list_texts
from ft.errors import DataError, printable
from ft.metrics.multilabel import Labels

CLASSED = ("one", "sets", "either")  # labels that are classes of texts; others: numbers, tags and none


def read_texts(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    policy: Policy = DEFAULT,
    labels: Labels = "one",
    block: int = BLOCK,
) -> Source:
    """Return the texts that `spec` names, read once.

    classes: those of a trained model, in its order. labels: "one" class a text, "sets" of any number, or "either";
    "numbers", a float each; "tags", the class numbers of its words; "none", where a text alone is there to learn from.
    block: characters of a block of plain text at most. Raises DataError.
    """
    listing, skipped = usable_texts(spec, policy, labels, block)
    options: dict[str, Any] = {"val_fraction": val_fraction, "seed": seed, "classes": classes, "policy": policy}
    split = partial(divided, listing, spec, **options, labels=labels, skipped=skipped)
    return Source(split, partial(texts_to_evaluate, listing, spec, classes, labels, skipped))


def open_texts(spec: str, **options: Any) -> Dataset:
    """Return the texts that `spec` names, with a validation split in any case. options: see `read_texts`."""
    return read_texts(spec, **options).split()


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
    """Number the labels of usable texts and split these, see `read_texts`."""
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
    names, as_sample = numbered(listing.texts, classes, labels)
    texts, held = split_by_name(
        listing.texts,
        val_fraction,
        seed,
        where=printable(spec),
        thing="text",
        whole=whole_of(listing.texts),
    )
    train, val, test = (tuple(as_sample(raw) for raw in texts if raw.split == s) for s in ("train", "val", "test"))
    require_to_learn(train, val, spec, labels)
    leaks, _ = leak_notes(train, val, test, policy, spec, "text")
    notes = (*listing.notes, *held, *leaks)
    return Dataset(listing.name, names, train, val, notes=notes, skipped=skipped, test=test, texts=True)


def open_text_samples(spec: str, classes: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    """Return the texts to evaluate as `val`, see `Source`. options: see `read_texts`."""
    return read_texts(spec, classes=classes, **options).to_evaluate()


def texts_to_evaluate(
    listing: TextListing, spec: str, classes: tuple[str, ...] | None, labels: Labels, skipped: tuple[str, ...]
) -> Dataset:
    """Number the labels of usable texts and choose those that are to be measured."""
    if labels in CLASSED:
        return replace(listing_to_evaluate(as_listing(listing, labels), spec, classes, skipped), texts=True)
    names, as_sample = numbered(listing.texts, classes, labels)
    val = tuple(map(as_sample, to_evaluate(listing.texts)))
    return Dataset(listing.name, names, (), val, notes=tuple(listing.notes), skipped=skipped, texts=True)


def usable_texts(spec: str, policy: Policy, labels: Labels, block: int) -> tuple[TextListing, tuple[str, ...]]:
    """Return the texts that can be used, and the names of the others, where the policy skips any."""
    listing = list_texts(spec, policy, labels=labels, block=block)
    bad = [(raw.name, raw.fault) for raw in listing.texts if raw.fault]
    told = left_out(bad, len(listing.texts), policy, where=printable(spec), thing="text")
    kept = replace(listing, texts=[raw for raw in listing.texts if not raw.fault], notes=[*listing.notes, *told])
    if not kept.texts:
        raise DataError(f"{printable(spec)}: no text that can be used; expected at least one")
    if labels != "none":
        kept = without_unlabelled_test(kept)
    return (in_iob2(kept) if labels == "tags" else kept), tuple(name for name, _ in bad)


def whole_of(texts: Sequence[RawText]) -> Callable[[RawText], str]:
    """Return how to tell what is held out as a whole: a document, or a line; of a single one each of its texts."""
    wholes = {raw.document or raw.name for raw in texts}
    return (lambda raw: raw.document or raw.name) if len(wholes) > 1 else (lambda raw: raw.text.key)


def require_to_learn(train: Sequence[Sample], val: Sequence[Sample], spec: str, labels: Labels) -> None:
    """Raise DataError where there is nothing to learn from, to tell apart, or to measure by."""
    if not train:
        raise DataError(f"{printable(spec)}: no train texts; put the texts to learn from into train")
    if not val:
        raise DataError(f"{printable(spec)}: a single text, so none is left for val; add texts")
    if labels == "numbers" and len({sample.label for sample in train}) < 2:
        raise DataError(f"{printable(spec)}: all train texts have the number {train[0].label}; add others")
