"""`ft data check` of images with masks: every image and every mask read once, and how many pixels each class has."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ft.data.check.classes import Words, find_class_troubles
from ft.data.check.findings import (
    SPLIT_ORDER,
    ClassCount,
    Finding,
    find_copies,
    find_faults,
    find_left_out,
    find_tiny,
    find_traits,
    worst_first,
)
from ft.data.check.look import Look, look_at
from ft.data.check.result import Check
from ft.data.images.decode import BadImage
from ft.data.sources.listing import Entry, Listing, name_bytes
from ft.data.sources.mask import FAULTS, IGNORED, Coding, values_in
from ft.data.sources.masks.dataset import NOTHING_COUNTS, mask_of
from ft.data.sources.masks.found import are_colours, found_coding, ignores_a_class, modes_of
from ft.data.sources.masks.pairs import MaskListing, Pair
from ft.data.sources.masks.source import list_masks
from ft.data.sources.policy import Policy
from ft.data.sources.scan import scan
from ft.data.sources.splits import split_by_name
from ft.errors import DataError, printable
from ft.metrics.multilabel import BETWEEN

RARE = 0.001  # share of the pixels that train below which a class is hardly learnt
WORDS = Words(
    never="in no mask",
    within="in",
    empty=("classes that never occur", "leave them out of the list of classes, or add masks of them"),
    seen="{} mask shows",
    share="{:.3%} of the pixels",
    rare=f"classes of less than {RARE:.1%} of the pixels",
    more="collect more, or weigh them more",
)


@dataclass(frozen=True, eq=False)
class MaskLook:
    """One image and its mask looked at: pixels of each class, and behind them of none; None where there is a fault."""

    look: Look
    pixels: np.ndarray | None = None


def check_masks(
    spec: str, *, val_fraction: float = 0.2, seed: int = 0, policy: Policy, ignore_index: int = 255
) -> Check:
    """Read every image and mask that `spec` names and return what there is to say. DataError where there are none."""
    began = time.perf_counter()
    listing = list_masks(spec, policy, ignore_index=ignore_index, missing=True)
    pairs = sorted(listing.pairs, key=lambda pair: name_bytes(pair.name))
    names, coding, told, refusal = classes_of(replace(listing, pairs=pairs), spec, policy, ignore_index)

    def work(pair: Pair) -> MaskLook:
        return look_at_pair(pair, names, coding, policy)

    looks = scan(pairs, work, workers=policy.workers, quiet=policy.quiet)
    good = [pair for pair, look in zip(pairs, looks, strict=True) if look.look.fault is None]
    splits, complaint = try_split(replace(listing, pairs=good), spec, val_fraction, seed)
    val = [look.pixels for look in looks if look.pixels is not None and splits.get(look.look.name) == "val"]
    if val and not any(pixels[:-1].any() for pixels in val):
        complaint = NOTHING_COUNTS
    classes = count_classes(names, looks, splits)
    entries = [look.look.entry for look in looks]
    images = Listing(listing.name, entries, ignored=dict(listing.ignored), hidden=listing.hidden)
    findings = [Finding("error", "structure", text) for text in (refusal, complaint) if text]
    findings += [Finding("note", "classes", text) for text in told]
    findings += mask_findings(images, looks, classes, splits, policy)
    seconds = time.perf_counter() - began
    return Check(spec, images, tuple(x.look for x in looks), classes, splits, tuple(worst_first(findings)), seconds)


def classes_of(
    listing: MaskListing, spec: str, policy: Policy, ignore_index: int
) -> tuple[tuple[str, ...], Coding | None, list[str], str]:
    """Return the classes and the coding of masks, notes, and why there is no coding where there is none."""
    if listing.names is not None and listing.coding is not None:
        lone = "a single class; training needs at least two" if len(listing.names) < 2 else ""
        return listing.names, listing.coding, [], lone or ignores_a_class(listing.names, listing.coding, ignore_index)
    colours = are_colours(modes_of(listing.pairs))

    def work(pair: Pair) -> tuple[int, ...]:
        try:
            return values_in(pair.drawing, colours=colours, max_pixels=policy.max_pixels) if pair.drawing else ()
        except BadImage:  # told when the mask is looked at
            return ()

    by_mask = scan(listing.pairs, work, workers=policy.workers, quiet=policy.quiet, title="reading masks")
    try:
        values = {value for own in by_mask for value in own}
        names, coding, told = found_coding(values, ignore_index, printable(spec), colours=colours)
    except DataError as error:
        return (), None, [], str(error).removeprefix(f"{printable(spec)}: ")
    return names, coding, [told], ""


def look_at_pair(pair: Pair, names: Sequence[str], coding: Coding | None, policy: Policy) -> MaskLook:
    """Read one image and its mask. The classes that occur are the labels of the look's entry."""
    entry = Entry(pair.split, "", pair.name, pair.source, ())
    look = look_at(entry, policy)
    if look.fault:
        return MaskLook(look)
    try:
        pair.require_geometry()
        if coding is None:
            return MaskLook(look)
        mask = mask_of(pair, coding).read(policy.max_pixels)
    except BadImage as fault:
        file = "" if fault.kind in FAULTS else f"its mask {printable(pair.mask)}: "  # it cannot be read as an image
        return MaskLook(replace(look, fault=BadImage(fault.kind, file + fault.reason)))
    counts = np.bincount(mask.reshape(-1), minlength=IGNORED + 1)
    pixels = np.append(counts[: len(names)], counts[IGNORED])
    labels = tuple(name for name, count in zip(names, pixels.tolist(), strict=False) if count)
    return MaskLook(replace(look, entry=replace(entry, label=BETWEEN.join(labels), several=labels)), pixels)


def try_split(listing: MaskListing, spec: str, val_fraction: float, seed: int) -> tuple[dict[str, str], str]:
    """Return the split of each image, and why training would refuse where it would."""
    if not listing.pairs:
        return {}, "no image can be used"
    try:
        pairs, _ = split_by_name(listing.pairs, val_fraction, seed, where=printable(spec), thing="image")
    except DataError as error:
        return {p.name: p.split or "train" for p in listing.pairs}, str(error).removeprefix(f"{printable(spec)}: ")
    splits = {pair.name: pair.split for pair in pairs}
    lacking = next((split for split in ("train", "val") if split not in splits.values()), "")
    return splits, f"no {lacking} images; add some" if lacking else ""


def count_classes(names: Sequence[str], looks: Sequence[MaskLook], splits: Mapping[str, str]) -> tuple[ClassCount, ...]:
    """Return how many images show each class, and its share of the pixels of any class."""
    shown = {
        split: [set(x.look.entry.labels) for x in looks if splits.get(x.look.name) == split] for split in SPLIT_ORDER
    }
    pixels = total(looks)[:-1] if names else np.zeros(0)
    shares = (pixels / max(pixels.sum(), 1)).tolist()
    return tuple(
        ClassCount(name, *(sum(name in own for own in shown[split]) for split in SPLIT_ORDER), pixels=share)
        for name, share in zip(names, shares, strict=False)
    )


def total(looks: Sequence[MaskLook]) -> np.ndarray:
    """Return the pixels of each class, and behind them of none, over all masks that were read."""
    return sum((x.pixels for x in looks if x.pixels is not None), start=np.zeros(1, np.int64))


def mask_findings(
    listing: Listing,
    looks: Sequence[MaskLook],
    classes: Sequence[ClassCount],
    splits: dict[str, str],
    policy: Policy,
) -> list[Finding]:
    """Return what was found of files, splits and classes."""
    images = [x.look for x in looks]
    findings = [*find_faults(images), *find_copies(images, splits, policy, "image"), *find_tiny(images)]
    findings += find_class_troubles(classes, lambda c: c.pixels, WORDS, policy, rare=RARE)
    findings += find_ignored(looks)
    return [*findings, *find_left_out(listing), *find_traits(listing, images)]


def find_ignored(looks: Sequence[MaskLook]) -> list[Finding]:
    """Return the masks without a pixel that counts, and the share of ignored pixels."""
    blank = tuple((x.look.name, "") for x in looks if x.pixels is not None and not x.pixels[:-1].any())
    findings = []
    if blank:
        advice = "they teach nothing; draw them, or remove the images"
        findings.append(Finding("warning", "all ignored", "masks whose every pixel is ignored", advice, blank))
    pixels = total(looks)
    if pixels[-1]:
        findings.append(Finding("note", "ignored", f"{pixels[-1] / pixels.sum():.1%} of the pixels are ignored"))
    return findings
