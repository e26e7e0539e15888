"""A data set on disk -> a list of samples with integer labels, the same on every machine and in any locale.

A source is "digits", a folder (folder.py), or a CSV manifest (manifest.py). Its listing says what was found;
`read_dataset` turns that into training, validation and test samples, or into samples to evaluate. Where a
source has no val split, a share of each class is held out, see splits.py. Classes and files are sorted by the bytes of
their names.

What labels may be is for the caller to say: "one" an image, "sets" of any number, or "either", as the source has them.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from ft.data.sources.box import Boxes
from ft.data.sources.digits import IMAGE_SIZE, TRAIN_COUNT, read_digits
from ft.data.sources.folder import EMPTY, list_folder
from ft.data.sources.leaks import leak_notes
from ft.data.sources.listing import Entry, Listing, labels_in, name_bytes, note, worded
from ft.data.sources.manifest import list_manifest
from ft.data.sources.mask import Mask
from ft.data.sources.policy import DEFAULT, Policy, require_none
from ft.data.sources.scan import usable
from ft.data.sources.spelling import one_spelling
from ft.data.sources.splits import byte_sorted, hold_out, require_share, to_evaluate
from ft.data.sources.text import Text
from ft.errors import DataError, listed, printable, unknown
from ft.metrics.multilabel import Labels
from ft.system.reading import NAME, fits, shortened


@dataclass(frozen=True)
class Sample:
    """One image or text: its POSIX path relative to the data, its label, its pixels.

    source: a file, uint8 (H, W) or (H, W, 3), what Pillow opened, or a `Text`; label: a class number, or a tuple
    of them in ascending order where the data is multi-label, or where its mask is, or its boxes. Of a text it may be a
    number of its own, a float; the class numbers of its words, a tuple in their order; None where the text is all there
    is to learn.
    """

    name: str
    label: int | tuple[int, ...] | Mask | Boxes | float | None
    source: Path | np.ndarray | Image | Text = field(compare=False)

    @property
    def labels(self) -> tuple[int, ...]:
        """The numbers of all its classes; none of an image whose pixels or boxes have one each."""
        if isinstance(self.label, tuple):
            return self.label
        return (self.label,) if isinstance(self.label, int) else ()


@dataclass(frozen=True)
class Dataset:
    """What to train on and what to validate on; `notes` are one-line warnings for the user.

    test: images that nothing is chosen by, evaluated once when all is done; most data has none.
    skipped: names of the images that cannot be used, where the policy leaves them out; multilabel: an image may have
    several labels, or none; masks: the label of every image is a `Mask`; boxes: it is `Boxes`; texts: the samples are
    texts; leaked: how many val images have the bytes of a train image; keypoints: the names of those that every object
    has, where it has some; numbers: the source's own of the classes, where it has some; colours: red * 65536 + green *
    256 + blue of each class, where masks are kept in colours.
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    image_size: int | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    multilabel: bool = False
    test: tuple[Sample, ...] = ()
    masks: bool = False
    leaked: int = 0
    texts: bool = False
    boxes: bool = False
    keypoints: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    colours: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.classes, *self.keypoints):
            require_name(name)

    @property
    def labels(self) -> Labels:
        """What its labels are; all samples have labels of one kind."""
        if self.masks or self.boxes:
            return "masks" if self.masks else "boxes"
        if self.multilabel:
            return "sets"
        first = (self.train or self.val)[0]
        if isinstance(first.source, Text) and isinstance(first.source.text, tuple):
            return "tags"
        return "none" if first.label is None else "numbers" if isinstance(first.label, float) else "one"


class Source(NamedTuple):
    """What was read of a source, once; either may raise DataError.

    split: gives what trains, validates and tests, with a validation split in any case; to_evaluate: what is to be
    measured as `val`, and an empty `train`: the val split, else the test split, else all.
    """

    split: Callable[[], Dataset]
    to_evaluate: Callable[[], Dataset]


def require_name(name: str) -> None:
    """Raise DataError for a name of a class or keypoint that no file of a run could hold."""
    whole = not any("\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in name)
    if not (fits(name, NAME) and whole):
        raise DataError(
            f"a class or keypoint is called '{shortened(name)}', {len(name)} characters; expected 1 to {NAME} "
            "characters, no zero byte and no half of a character; name it otherwise"
        )


def read_dataset(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    policy: Policy = DEFAULT,
    labels: Labels = "one",
) -> Source:
    """Return the data set that `spec` names, read once. Raises DataError.

    classes: those of a trained model, in its order; without them the classes of the training images, and one is enough
    to evaluate. What is skipped is skipped first, so that splits and order are those of a source that never held it.
    """
    listing, bad = usable(list_source(spec, policy, labels=labels), policy, printable(spec))
    options: dict[str, Any] = {"val_fraction": val_fraction, "seed": seed, "classes": classes, "policy": policy}
    split = partial(split_listing, listing, spec, **options, skipped=tuple(bad))
    return Source(split, partial(listing_to_evaluate, listing, spec, classes, tuple(bad)))


def open_dataset(spec: str, **options: Any) -> Dataset:
    """Return the data set that `spec` names, with a validation split in any case. options: see `read_dataset`."""
    return read_dataset(spec, **options).split()


def split_listing(
    listing: Listing,
    spec: str,
    *,
    val_fraction: float,
    seed: int,
    classes: tuple[str, ...] | None,
    policy: Policy,
    skipped: tuple[str, ...] = (),
) -> Dataset:
    """Number the classes of a listing and split it, see `read_dataset`."""
    listing = one_spelling(listing, classes or ())
    names = choose_classes(listing, classes, printable(spec))
    notes, thing = list(listing.notes), listing.thing
    entries = [e for e in listing.entries if e.split != "test"]
    if not any(e.split == "val" for e in entries):
        require_share(val_fraction, printable(spec), thing)
        entries, lone = hold_out(entries, names, val_fraction, seed)
        if any(e.split for e in listing.entries):
            notes.append(f"no val {thing}s: {val_fraction:.0%} of each class of train held out")
        notes += note(f"classes with a single {thing}, which trains", lone)
        notes += note(f"classes whose {thing}s all went to val, so that nothing is learnt of them", untrained(entries))
    entries += [e for e in listing.entries if e.split == "test"]
    train, val, test = (
        label_samples((e for e in entries if e.split == split), names, listing) for split in ("train", "val", "test")
    )
    if not train:
        raise DataError(
            f"{printable(spec)}: {'val' if val else 'test'} {thing}s but no train {thing}s{because(listing)}; "
            f"put the {thing}s to learn from into train"
        )
    if classes is None and len({s.label for s in train}) < 2:
        raise DataError(f"{printable(spec)}: {alike(train[0], names, thing)}")
    if not val:
        raise DataError(f"{printable(spec)}: no class has two {thing}s, so none is left for val; add {thing}s")
    if not any(s.labels for s in val):
        raise DataError(
            f"{printable(spec)}: no val {thing} has a label, so nothing can be measured; label some of them"
        )
    notes += note(f"classes without val {thing}s", unseen(names, train, val))
    told, leaked = leak_notes(train, val, test, policy, spec, thing)
    notes += told
    empty = worded(EMPTY, thing)
    require_none(listing.ignored.get(empty, ()), policy.fail_on_empty_class, spec, empty, "--no-fail-on-empty-class")
    size, sets = listing.image_size, listing.multilabel
    return Dataset(listing.name, names, train, val, size, tuple(notes), skipped, sets, test, leaked=leaked)


def alike(sample: Sample, classes: Sequence[str], thing: str) -> str:
    """Return what is said where all that trains has the labels of `sample`."""
    if isinstance(sample.label, int):
        name = printable(classes[sample.label])
        return f"all train {thing}s are of one class, '{name}'; training needs at least two classes"
    names = listed(f"'{printable(classes[k])}'" for k in sample.labels) or "none"
    return f"all train {thing}s have the same labels ({names}); there is nothing to tell apart, add others"


def untrained(entries: Iterable[Entry]) -> list[str]:
    """Return the labels of val that no train image has: with several labels an image they may be held out together."""
    entries = list(entries)
    val, train = (labels_in(e for e in entries if (e.split == "val") == held) for held in (True, False))
    return byte_sorted(val - train)


def unseen(classes: Sequence[str], train: Sequence[Sample], val: Sequence[Sample]) -> list[str]:
    """Return the classes that learn and are never validated, but for those of a single image."""
    counts = Counter(label for sample in train for label in sample.labels)
    seen = {label for sample in val for label in sample.labels}
    return [name for i, name in enumerate(classes) if counts[i] > 1 and i not in seen]


def open_images(spec: str, classes: tuple[str, ...] | None = None, **options: Any) -> Dataset:
    """Return the images to evaluate as `val`, see `Source`. options: see `read_dataset`."""
    return read_dataset(spec, classes=classes, **options).to_evaluate()


def listing_to_evaluate(
    listing: Listing, spec: str, classes: tuple[str, ...] | None, skipped: tuple[str, ...] = ()
) -> Dataset:
    """Number the classes of a listing and choose its split, see `Source`."""
    listing = one_spelling(listing, classes or ())
    names = choose_classes(listing, classes, printable(spec))
    val = label_samples(to_evaluate(listing.entries), names, listing)
    if not any(s.labels for s in val):
        raise DataError(
            f"{printable(spec)}: no {listing.thing} has a label, so nothing can be measured; label some of them"
        )
    notes, sets = tuple(listing.notes), listing.multilabel
    return Dataset(listing.name, names, (), val, listing.image_size, notes, skipped, sets)


def list_source(spec: str, policy: Policy = DEFAULT, *, missing: bool = False, labels: Labels = "one") -> Listing:
    """Return what the built-in set, the folder or the CSV called `spec` holds: at least one image, or DataError.

    missing: files that a CSV names and that do not exist are listed too, to be reported; always so where bad images
    are skipped.
    """
    if spec == "digits":
        return replace(list_digits(), multilabel=labels == "sets")
    path = Path(os.path.expanduser(spec))  # pathlib raises on unknown users and names that are too long
    if os.path.isdir(path):
        listing = replace(list_folder(path, outside=policy.allow_outside_root), multilabel=labels == "sets")
    elif path.suffix.lower() == ".csv" and os.path.isfile(path):
        missing = missing or policy.on_bad_image == "skip"
        listing = list_manifest(path, outside=policy.allow_outside_root, missing=missing, labels=labels)
    else:
        fault = "is not a folder or a .csv file" if os.path.exists(path) else "does not exist"
        raise DataError(f"data '{printable(spec)}' {fault}; pass digits, a folder of class folders, or a CSV")
    if not listing.entries:
        raise DataError(f"{printable(spec)}: no images{because(listing)}; expected files such as CLASS/photo.jpg")
    return listing


def because(listing: Listing) -> str:
    """Return the notes in brackets, to end the finding of an error that they may explain."""
    return f" ({'; '.join(listing.notes)})" if listing.notes else ""


def list_digits() -> Listing:
    """List scikit-learn's digits, whose pixels are in memory."""
    images, labels = read_digits()
    entries = [
        Entry("train" if i < TRAIN_COUNT else "val", str(label), f"digits/{i:04}", image)
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    return Listing("digits", entries, image_size=IMAGE_SIZE)


def choose_classes(listing: Listing, given: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """Return the class names in the order of their labels: the given ones, else those of train in byte order.

    A class of val or test that train lacks, or any that is not among the given ones, raises DataError.
    """
    labels = listing.folders | labels_in(listing.entries)
    if given is not None:
        for label in sorted(labels.difference(given)):
            raise DataError(f"{where}: {unknown('class', printable(label), given)} (the model's classes decide)")
        return tuple(given)
    known = listing.folders | labels_in(e for e in listing.entries if e.learns) or labels
    for split in ("val", "test"):
        if extra := labels_in(e for e in listing.entries if e.split == split) - known:
            raise DataError(
                f"{where}: {split} has classes that train lacks: {listed(map(printable, byte_sorted(extra)))}; "
                f"add train {listing.thing}s of them, or keep them out of {split}"
            )
    return tuple(byte_sorted(known))


def label_samples(entries: Iterable[Entry], classes: Sequence[str], listing: Listing) -> tuple[Sample, ...]:
    """Return entries as samples with integer labels, or sets of them: images in byte order of their names.

    Texts stay in the order of their source: that of its lines.
    """
    index = {name: i for i, name in enumerate(classes)}
    ordered = list(entries)
    if listing.thing == "image":
        ordered.sort(key=lambda entry: name_bytes(entry.name))
    if listing.multilabel:
        return tuple(Sample(e.name, tuple(sorted(index[label] for label in e.labels)), e.source) for e in ordered)
    return tuple(Sample(e.name, index[e.label], e.source) for e in ordered)


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Return the size of each split and a hash of the names and labels that train and validate, to notice a change.

    Rows of a table have no names of their own: of texts the hash is that of what they say, too.
    """
    digest = hashlib.sha256()
    for sample in (*dataset.train, *dataset.val):
        digest.update(f"{sample.name}\0{sample.label}\0".encode("utf-8", "surrogateescape"))
        if isinstance(sample.source, Text):
            digest.update(f"{sample.source.key}\0".encode("utf-8", "surrogatepass"))
    more: dict[str, Any] = {"skipped": list(dataset.skipped)} if dataset.skipped else {}
    more |= {"test": len(dataset.test)} if dataset.test else {}
    more |= {"leaked": dataset.leaked} if dataset.leaked else {}
    return {"train": len(dataset.train), "val": len(dataset.val), "sha256": digest.hexdigest(), **more}
