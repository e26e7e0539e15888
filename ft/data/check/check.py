"""`ft data check`: every image of a data set decoded once, and all that is to be said about it.

An error is what training would stop at, a warning what it would suffer from in silence, a note what is worth knowing.
"""

import time
from dataclasses import replace

from ft.data.check.boxes import check_boxes
from ft.data.check.findings import all_findings
from ft.data.check.look import look_at
from ft.data.check.masks import check_masks
from ft.data.check.result import Check, count_classes, splits_of
from ft.data.check.texts import check_texts
from ft.data.sources.boxes import holds_boxes_alone
from ft.data.sources.dataset import Dataset, list_source, split_listing
from ft.data.sources.listing import Listing, labels_in, name_bytes
from ft.data.sources.masks import holds_masks
from ft.data.sources.policy import Policy
from ft.data.sources.scan import scan
from ft.data.sources.spelling import one_spelling
from ft.data.sources.texts import holds_texts
from ft.errors import DataError, printable


def check_data(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    policy: Policy,
    ignore_index: int = 255,
    boxes: bool = False,
    image_size: int | None = None,
    max_size: int | None = None,
) -> Check:
    """Decode every image that `spec` names and return what there is to say. DataError where there are none at all.

    Where the layout is that of images with masks, the masks are read, too; ignore_index: their value that is no class.
    Boxes are looked at where there is nothing else, and with `boxes`; image_size, max_size: how the network sees
    them. Texts are read, see `check_texts`.
    """
    if boxes or holds_boxes_alone(spec):
        sizes = {"image_size": image_size, "max_size": max_size}
        return check_boxes(spec, val_fraction=val_fraction, seed=seed, policy=policy, **sizes)
    if holds_masks(spec):
        return check_masks(spec, val_fraction=val_fraction, seed=seed, policy=policy, ignore_index=ignore_index)
    if holds_texts(spec):
        return check_texts(spec, val_fraction=val_fraction, seed=seed, policy=policy)
    began = time.perf_counter()
    listing = one_spelling(list_source(spec, policy, missing=True, labels="either"))
    entries = sorted(listing.entries, key=lambda entry: name_bytes(entry.name))
    looks = scan(entries, lambda entry: look_at(entry, policy), workers=policy.workers, quiet=policy.quiet)
    good = replace(
        listing,
        entries=[look.entry for look in looks if look.fault is None],
        folders=listing.folders | labels_in(entry for entry in entries if entry.learns),
        notes=[],
    )
    dataset, refusal = try_split(good, spec, val_fraction, seed)
    splits = splits_of(good, dataset)
    classes = count_classes(good, splits, dataset)
    findings = all_findings(listing, looks, classes, splits, refusal, policy)
    seconds = time.perf_counter() - began
    return Check(spec, listing, tuple(looks), classes, splits, tuple(findings), seconds)


def try_split(listing: Listing, spec: str, val_fraction: float, seed: int) -> tuple[Dataset | None, str]:
    """Return the data set that training would get, or None and the reason why it would get none."""
    if not listing.entries:
        return None, "no image can be used"
    try:
        return split_listing(listing, spec, val_fraction=val_fraction, seed=seed, classes=None, policy=Policy()), ""
    except DataError as error:
        return None, str(error).removeprefix(f"{printable(spec)}: ")
