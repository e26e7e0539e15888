"""`ft data check` of images with boxes: every image decoded and every box looked at, and how many each class has."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from ft.data.check.points import check_points
from ft.data.check.result import Check
from ft.data.check.shapes import Trouble, find_shapes, look_at_shapes
from ft.data.images.decode import BadImage
from ft.data.images.view import scale_of
from ft.data.sources.box import Form, is_bad, to_corners
from ft.data.sources.boxes.dataset import choose_classes
from ft.data.sources.boxes.listing import Boxed, BoxListing
from ft.data.sources.boxes.source import list_all
from ft.data.sources.listing import Entry, Listing, name_bytes
from ft.data.sources.policy import Policy
from ft.data.sources.scan import scan
from ft.data.sources.splits import byte_sorted, split_by_name
from ft.errors import DataError, printable
from ft.metrics.boxes import area
from ft.metrics.detection import SIZES, size_of
from ft.metrics.multilabel import BETWEEN

SQUARE = 640  # pixels of the network's square where nothing else is said
THIN = 4  # pixels of a side in that square below which a box is hardly learnt
RARE = 0.01  # share of the train boxes below which a class is
WORDS = Words(
    never="no box",
    within="on",
    empty=("classes without a box", "leave them out of the classes, or draw boxes of them"),
    seen="{} image shows",
    share="{:.2%} of the boxes",
    rare=f"classes of less than {RARE:.0%} of the boxes",
    more="collect more of them",
)
Seen = tuple[int, int | None]  # the network's square; or the short side, and the long one at most
WRONG = 0.1  # share of the boxes that are none from which another form is tried on all
FORMS: dict[Form, str] = {
    "corners": "x1, y1, x2, y2",
    "sides": "x, y, width, height",
    "centre": "x and y of the centre, width, height",
}


@dataclass(frozen=True, eq=False)
class BoxLook:
    """One image looked at, with its boxes; corners: (M, 4) in pixels, None where there is a fault; masks: what is wrong
    with masks, see ft/data/check/shapes.py.
    """

    look: Look
    item: Boxed
    corners: np.ndarray | None = None
    masks: tuple[Trouble, ...] = ()


def check_boxes(
    spec: str,
    *,
    val_fraction: float = 0.2,
    seed: int = 0,
    policy: Policy,
    image_size: int | None = None,
    max_size: int | None = None,
) -> Check:
    """Look at every image and box that `spec` names and return what there is to say. DataError where there are none.

    image_size: pixels of the network's square; or, with max_size, of the short side, and this of the long one at most.
    """
    began = time.perf_counter()
    listing = list_all(spec, policy)
    items = sorted(listing.items, key=lambda item: name_bytes(item.name))
    looks = scan(items, lambda item: look_at_item(item, policy), workers=policy.workers, quiet=policy.quiet)
    good = replace(listing, items=[x.item for x in looks if x.look.fault is None])
    splits, names, complaint = try_split(good, spec, val_fraction, seed)
    classes = count_classes(names, looks, splits)
    images = Listing(listing.name, [x.look.entry for x in looks], ignored=dict(listing.ignored), hidden=listing.hidden)
    findings = [Finding("error", "structure", complaint)] if complaint else []
    findings += [Finding("note", "form", text) for text in listing.notes if "count from" in text or "shares" in text]
    findings += box_findings(images, looks, classes, splits, policy, (image_size or SQUARE, max_size))
    of_points, facts = check_points(spec, policy, splits)
    findings = tuple(worst_first([*findings, *of_points]))
    seconds, every = time.perf_counter() - began, tuple(x.look for x in looks)
    return Check(spec, images, every, classes, splits, findings, seconds, (*facts_of(looks), *facts))


def look_at_item(item: Boxed, policy: Policy) -> BoxLook:
    """Decode one image and look at its boxes. The classes that occur are the labels of the look's entry."""
    whole = replace(item, marks="")  # boxes can be learnt where masks cannot
    labels = tuple(byte_sorted({box.label for box in item.boxes}))
    look = look_at(Entry(item.split, BETWEEN.join(labels), item.name, item.source, labels), policy)
    if look.fault:
        return BoxLook(look, item)
    try:
        whole.require()
    except BadImage as fault:
        return BoxLook(replace(look, fault=fault), item)
    return BoxLook(look, item, whole.corners, look_at_shapes(item))


def try_split(
    listing: BoxListing, spec: str, val_fraction: float, seed: int
) -> tuple[dict[str, str], tuple[str, ...], str]:
    """Return the split of each image, the classes, and why training would refuse where it would."""
    where, items = printable(spec), listing.items
    names = listing.names or tuple(byte_sorted({box.label for item in items for box in item.boxes}))
    try:
        if not items:
            raise DataError("no image can be used")
        items, _ = split_by_name(items, val_fraction, seed, where=where, thing="image")
        names = choose_classes(listing, items, None, where)
    except DataError as error:
        return {i.name: i.split or "train" for i in items}, names, str(error).removeprefix(f"{where}: ")
    splits = {item.name: item.split for item in items}
    for split in ("train", "val"):
        if split not in splits.values():
            return splits, names, f"no {split} images; add some"
        if not any(item.boxes for item in items if item.split == split):
            return splits, names, f"no {split} image has a box; draw some"
    return splits, names, ""


def count_classes(names: Sequence[str], looks: Sequence[BoxLook], splits: Mapping[str, str]) -> tuple[ClassCount, ...]:
    """Return how many images show each class, and its share of the boxes."""
    shown = {split: Counter[str]() for split in SPLIT_ORDER}
    boxes = Counter[str]()
    for x in looks:
        if x.corners is not None:
            shown[splits[x.look.name]].update(x.look.entry.labels)
            boxes.update(box.label for box in x.item.boxes)
    total = max(boxes.total(), 1)
    return tuple(ClassCount(n, *(shown[s][n] for s in SPLIT_ORDER), boxes=boxes[n] / total) for n in names)


def facts_of(looks: Sequence[BoxLook]) -> Iterator[tuple[str, str]]:
    """Yield how many boxes there are, and how large they are."""
    own = [x.corners for x in looks if x.corners is not None]
    corners = np.concatenate(own) if own else np.zeros((0, 4))
    if len(corners):
        sizes = np.bincount(size_of(corners), minlength=len(SIZES)) / len(corners)
        shares = ", ".join(f"{share:.0%} {size}" for size, share in zip(SIZES, sizes.tolist(), strict=True))
        yield "boxes", f"{len(corners)}, {len(corners) / len(own):.2f} an image; {shares}, as COCO has it"


def box_findings(
    listing: Listing,
    looks: Sequence[BoxLook],
    classes: Sequence[ClassCount],
    splits: dict[str, str],
    policy: Policy,
    seen: Seen,
) -> list[Finding]:
    """Return what was found of files, splits, boxes and classes."""
    images = [x.look for x in looks]
    findings = [*find_faults(images), *find_copies(images, splits, policy, "image"), *find_tiny(images)]
    findings += [*find_form(looks), *find_twice(looks), *find_thin(looks, seen)]
    findings += find_shapes([(x.look.name, x.masks) for x in looks], sum(len(x.item.boxes) for x in looks))
    findings += find_class_troubles(classes, lambda c: c.boxes, WORDS, policy, rare=RARE)
    return [*findings, *find_empty(looks), *find_left_out(listing), *find_traits(listing, images)]


def find_form(looks: Sequence[BoxLook]) -> Iterator[Finding]:
    """Yield the form that boxes seem to be written in, where many are none as they are read and all are as it is."""
    sized = [(x.item, x.look.height, x.look.width) for x in looks if x.look.width and x.item.boxes]
    if not sized:
        return
    forms: list[tuple[Form, bool]] = [(form, turned) for turned in (False, True) for form in FORMS]
    bad = {key: share_bad(sized, *key) for key in forms}
    now = (sized[0][0].form, False)
    best = min(forms, key=lambda key: bad[key])
    if bad[now] >= WRONG and not bad[best]:
        order = ", x and y exchanged" if best[1] else ""
        title = f"{bad[now]:.0%} of the boxes are none as {FORMS[now[0]]}; as {FORMS[best[0]]}{order} all are boxes"
        yield Finding("error", "form", title, "name the columns so, or export them again")


def share_bad(sized: Sequence[tuple[Boxed, int, int]], form: Form, turned: bool) -> float:
    """Return the share of the boxes that are none when they are read in a form. turned: y before x."""
    bad = count = 0
    order = [1, 0, 3, 2] if turned else [0, 1, 2, 3]
    for item, height, width in sized:
        values = np.array([box.values for box in item.boxes], np.float64)[:, order]
        corners = to_corners(values.tolist(), form, (height, width) if item.shares else None)
        bad += int(is_bad(corners, height, width).sum())
        count += len(corners)
    return bad / count


def find_twice(looks: Sequence[BoxLook]) -> Iterator[Finding]:
    """Yield the images with a box that is there twice, of one class or of two."""
    twice = []
    for x in looks:
        seen: dict[tuple[float, ...], str] = {}
        for box in x.item.boxes if x.corners is not None else ():
            if box.values in seen:
                other = f" as {seen[box.values]}, too" if seen[box.values] != box.label else ""
                twice.append((x.look.name, f"{x.item.where.format(box.place)}: {box.label}{other}"))
            seen.setdefault(box.values, box.label)
    if twice:
        advice = "keep one of each: of two alike one is always missed"
        yield Finding("warning", "duplicates", "the same box twice", advice, tuple(twice))


def find_thin(looks: Sequence[BoxLook], seen: Seen) -> Iterator[Finding]:
    """Yield the images with boxes of which hardly a pixel is left at the network's size."""
    (size, longest), advice = seen, "raise --image-size, or cut the images into parts"
    words = f"is fitted into {size}x{size}"
    if longest:
        words, advice = f"has a short side of {size}, or a long one of {longest}", f"raise --max-size and {advice[6:]}"
    thin = []
    for x in looks:
        if x.corners is None or not len(x.corners):
            continue
        scale = scale_of(x.look.height, x.look.width, size, longest)
        sides = (x.corners[:, 2:] - x.corners[:, :2]).min(1) * scale
        for i in np.flatnonzero(sides < THIN)[:1]:
            count = int((sides < THIN).sum())
            more = f" and {count - 1} more" if count > 1 else ""
            thin.append((x.look.name, f"{x.item.where.format(x.item.boxes[i].place)}: {sides[i]:.1f} pixels{more}"))
    if thin:
        title = f"boxes with a side under {THIN} pixels once the image {words}"
        yield Finding("warning", "tiny boxes", title, advice, tuple(thin))


def find_empty(looks: Sequence[BoxLook]) -> Iterator[Finding]:
    """Yield how many images have no box, how many boxes are set aside, and those that fill their whole picture."""
    read = [x for x in looks if x.corners is not None]
    if empty := sum(not x.item.boxes for x in read):
        yield Finding("note", "no box", "images without a box, which teach what is nothing", count=empty)
    if aside := sum(box.aside for x in read for box in x.item.boxes):
        yield Finding("note", "aside", "boxes set aside, crowds or difficult: neither learnt nor counted", count=aside)
    whole = [(x.look.name, "") for x in read if (area(np.asarray(x.corners)) >= x.look.width * x.look.height).any()]
    if whole:
        yield Finding("note", "whole", "images with a box around all of it", "", tuple(whole))
