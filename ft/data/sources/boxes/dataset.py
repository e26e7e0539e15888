"""Images with boxes -> samples whose label is `Boxes`, the same on every machine.

Before training the header of every image is read and every box is checked: finite, corners in order, inside its
picture, not empty. Where a source has no val split, a share is held out by name, as of one class of images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ft.data.images.decode import BadImage
from ft.data.sources.box import Boxes, Marks, clipped
from ft.data.sources.boxes.listing import Boxed, BoxListing
from ft.data.sources.boxes.source import list_boxes
from ft.data.sources.dataset import Dataset, Sample, Source, require_name
from ft.data.sources.leaks import leak_notes
from ft.data.sources.listing import Entry, name_bytes, note
from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.scan import fault_of
from ft.data.sources.sieve import Sieve
from ft.data.sources.splits import byte_sorted, split_by_name, to_evaluate
from ft.errors import DataError, listed, printable, unknown


def read_boxes(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    policy: Policy = DEFAULT,
    marks: Marks = "",
) -> Source:
    """Return the images and boxes that `spec` names, read once. Raises DataError.

    classes: those of a trained model, in its order; marks: what every object has beside its box.
    """
    found = usable_boxes(spec, policy, marks=marks)
    split = partial(split_boxes, *found, spec, val_fraction=val_fraction, seed=seed, classes=classes, policy=policy)
    return Source(split, partial(boxes_to_evaluate, *found, spec, classes))


def open_boxes(spec: str, **options: Any) -> Dataset:
    """Return the images and boxes that `spec` names, with a validation split in any case. options: see `read_boxes`."""
    return read_boxes(spec, **options).split()


def split_boxes(
    listing: BoxListing,
    skipped: tuple[str, ...],
    spec: str,
    *,
    val_fraction: float,
    seed: int,
    classes: tuple[str, ...] | None,
    policy: Policy,
) -> Dataset:
    """Return what can be used as what trains, validates and tests."""
    items, held = split_by_name(listing.items, val_fraction, seed, where=printable(spec), thing="image")
    names = choose_classes(listing, items, classes, printable(spec))
    train, val, test = (box_samples((i for i in items if i.split == s), names) for s in ("train", "val", "test"))
    if not train:
        raise DataError(f"{printable(spec)}: no train images; put the images to learn from into train")
    if not val:
        raise DataError(f"{printable(spec)}: a single image, so none is left for val; add images")
    for split, samples in (("train", train), ("val", val)):
        if not any(len(boxes_of(s).taught[1]) for s in samples):
            raise DataError(f"{printable(spec)}: no {split} image has a box; draw some, or hold out others with --seed")
    leaks, leaked = leak_notes(train, val, test, policy, spec, "image")
    notes = (*listing.notes, *held, *unseen(names, train, val), *leaks)
    return Dataset(
        listing.name,
        names,
        train,
        val,
        listing.image_size,
        notes,
        skipped,
        test=test,
        boxes=True,
        leaked=leaked,
        keypoints=listing.keypoints,
        numbers=listing.numbers if names == listing.names else (),
    )


def open_box_images(spec: str, classes: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    """Return the images to evaluate as `val`, see `Source`. options: see `read_boxes`."""
    return read_boxes(spec, classes=classes, **options).to_evaluate()


def boxes_to_evaluate(
    listing: BoxListing, skipped: tuple[str, ...], spec: str, classes: tuple[str, ...] | None
) -> Dataset:
    """Return what can be used as what is to be measured."""
    items = to_evaluate(listing.items)
    names = choose_classes(listing, [replace(item, split="train") for item in items], classes, printable(spec))
    val = box_samples(items, names)
    return Dataset(listing.name, names, (), val, listing.image_size, tuple(listing.notes), skipped, boxes=True)


def usable_boxes(spec: str, policy: Policy, *, marks: Marks = "") -> tuple[BoxListing, tuple[str, ...]]:
    """Return the listing without what the policy skips, and what was skipped."""
    listing = list_boxes(spec, policy, marks=marks)
    sifted = Sieve(listing.items, policy, printable(spec))
    sifted.drop(lambda item: box_fault(item, policy), "checking boxes")
    return replace(listing, items=sifted.items, notes=[*listing.notes, *sifted.notes]), tuple(sifted.bad)


def box_fault(item: Boxed, policy: Policy) -> BadImage | None:
    """Return what is wrong with an image's header or boxes; where bad images are skipped, it is decoded, too."""
    try:
        item.require()
    except BadImage as fault:
        return fault
    if policy.on_bad_image == "error":
        return None
    return fault_of(Entry("", "", item.name, item.source), policy.max_pixels, None)


def choose_classes(
    listing: BoxListing, items: Sequence[Boxed], given: Sequence[str] | None, where: str
) -> tuple[str, ...]:
    """Return the class names in the order of their numbers: the given ones, the source's, or those of train in byte
    order. A class of val or test that train lacks, or that is not among the given ones, raises DataError.
    """
    labels = {
        split: {b.label for i in items if i.split == split for b in i.boxes} for split in ("train", "val", "test")
    }
    if given is not None:
        for label in byte_sorted(set(listing.names or ()).union(*labels.values()).difference(given)):
            raise DataError(f"{where}: {unknown('class', printable(label), given)} (the model's classes decide)")
        return tuple(given)
    for name in listing.names or labels["train"]:
        require_name(name)
    if listing.names is not None:
        return listing.names
    for split in ("val", "test"):
        if extra := labels[split] - labels["train"]:
            raise DataError(
                f"{where}: {split} has classes that train lacks: {listed(map(printable, byte_sorted(extra)))}; "
                f"add train images of them, or keep them out of {split}"
            )
    return tuple(byte_sorted(labels["train"]))


def unseen(classes: Sequence[str], train: Sequence[Sample], val: Sequence[Sample]) -> list[str]:
    """Return notes on the classes of which nothing is learnt, and those that are never validated."""
    counts = [counts_in(samples, len(classes)) for samples in (train, val)]
    never = [name for name, learnt in zip(classes, counts[0], strict=True) if not learnt]
    unchecked = [name for name, a, b in zip(classes, *counts, strict=True) if a and not b]
    return note("classes without a train box", never) + note("classes without a val box", unchecked)


def counts_in(samples: Sequence[Sample], classes: int) -> np.ndarray:
    """Return how many boxes of each class are learnt of samples, int64 (K,)."""
    return sum((np.bincount(boxes_of(s).taught[1], minlength=classes) for s in samples), np.zeros(classes, np.int64))


def boxes_of(sample: Sample) -> Boxes:
    """Return the boxes of a sample that has them."""
    assert isinstance(sample.label, Boxes), "samples of a set with boxes have them"
    return sample.label


def box_samples(items: Iterable[Boxed], classes: Sequence[str]) -> tuple[Sample, ...]:
    """Return images as samples, in byte order of their names; boxes are cut off at the picture's edges."""
    number = {name: k for k, name in enumerate(classes)}
    ordered = sorted(items, key=lambda item: name_bytes(item.name))
    return tuple(Sample(item.name, boxes_in(item, number), item.source) for item in ordered)


def boxes_in(item: Boxed, number: dict[str, int]) -> Boxes:
    """Return the boxes of an image that has passed the check. number: that of every class."""
    height, width = item.header.height, item.header.width
    corners = clipped(item.corners, height, width)
    classes, aside = [number[box.label] for box in item.boxes], [box.aside for box in item.boxes]
    shapes = item.shapes() if item.marks == "masks" else None
    pointed = item.pointed() if item.marks == "keypoints" else None
    own = np.array(classes, np.int64), np.array(aside, np.bool_)
    return Boxes.of(height, width, corners, *own, shapes=shapes, pointed=pointed)
