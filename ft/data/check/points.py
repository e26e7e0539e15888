"""`ft data check` of the keypoints of objects: what a network for keypoints would refuse, or never learn."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ft.data.check.findings import Finding, Level
from ft.data.check.shapes import Trouble
from ft.data.images.decode import BadImage
from ft.data.sources.boxes.listing import Boxed, BoxListing
from ft.data.sources.boxes.points import SIDES, as_points, mirrored, strays
from ft.data.sources.boxes.source import list_boxes, names_points
from ft.data.sources.policy import Policy
from ft.errors import DataError, listed, printable

SLACK = 2.0  # pixels by which a keypoint may lie outside of its box
KNOWN = (0, 1, 2)  # COCO's visibilities: not marked, hidden, seen
COUNT, OUTSIDE, BESIDE, SEEN, NONE = "keypoints", "keypoint outside", "keypoint beside", "visibility", "no keypoint"
TITLES: dict[str, tuple[Level, str, str]] = {
    COUNT: (
        "warning",
        "objects with another number of keypoints than are named",
        "write x, y and visibility of each: a network for keypoints refuses these",
    ),
    OUTSIDE: (
        "warning",
        "marked keypoints outside of their image",
        "correct them: a network for keypoints refuses these",
    ),
    BESIDE: (
        "warning",
        f"keypoints outside of their object's box by more than {SLACK:g} pixels",
        "correct the box or the keypoint: only what lies in a box is learnt",
    ),
    SEEN: ("warning", "a visibility that is not 0, 1 or 2", "write 0 for not marked, 1 for hidden, 2 for seen"),
    NONE: ("note", "objects without a marked keypoint, which teach a box alone", ""),
}


@dataclass(frozen=True, eq=False)
class Looked:
    """The keypoints of all objects of an image that can be read: what is wrong, and of each its class and which are
    marked, bool (K,).
    """

    name: str
    troubles: tuple[Trouble, ...]
    marked: tuple[tuple[str, np.ndarray], ...]


def look_at_points(item: Boxed) -> Looked:
    """Look at the keypoints of an image; what is set aside may be without any."""
    troubles, marked = [], []
    for box, corners in zip(item.boxes, item.corners, strict=True):
        where = item.where.format(box.place)
        try:
            points = as_points(item.points_of(box), len(item.keypoints))
        except ValueError as error:
            troubles.append(Trouble(COUNT, f"{where}: {error}"))
            continue
        troubles += [Trouble(kind, f"{where}: {told}") for kind, told in wrong(item, points, corners)]
        if not box.aside:
            marked.append((box.label, points[:, 2] > 0))
            troubles += [] if marked[-1][1].any() else [Trouble(NONE, where)]
    return Looked(item.name, tuple(troubles), tuple(marked))


def wrong(item: Boxed, points: np.ndarray, corners: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the keypoints (K, 3) of an object that has a box (4,), and at which of them."""
    seen, outside = points[:, 2] > 0, strays(points, item.header.height, item.header.width)
    beyond = np.maximum(corners[:2] - points[:, :2], points[:, :2] - corners[2:]).max(1)
    rows = {OUTSIDE: outside, BESIDE: seen & ~outside & (beyond > SLACK), SEEN: ~np.isin(points[:, 2], KNOWN)}
    for kind, bad in rows.items():
        if bad.any():
            shown = (f"{item.keypoints[k]} {tell(kind, points[k], beyond[k])}" for k in np.flatnonzero(bad).tolist())
            yield kind, listed(map(printable, shown), 2)


def tell(kind: str, point: np.ndarray, beyond: float) -> str:
    """Return what is wrong with a keypoint (3,), in a few words."""
    x, y, visibility = point.tolist()
    return {OUTSIDE: f"at {x:g}, {y:g}", BESIDE: f"by {beyond:.3g} pixels", SEEN: f"{visibility:g}"}[kind]


def check_points(spec: str, policy: Policy, splits: Mapping[str, str]) -> tuple[list[Finding], list[tuple[str, str]]]:
    """Return what was found of keypoints, and facts; nothing of a source that names none. splits: of the images."""
    if not names_points(spec):
        return [], []
    try:
        listing = list_boxes(spec, policy, missing=True, marks="keypoints")
    except DataError as error:
        advice = "a network for keypoints refuses this data"
        return [Finding("warning", COUNT, str(error).removeprefix(f"{printable(spec)}: "), advice)], []
    looks = [look_at_points(item) for item in listing.items if can_be_read(item)]
    found = [*find_troubles(looks), *find_unmarked(looks, listing.keypoints, splits), *find_names(listing)]
    return found, list(facts_of(looks, listing.keypoints))


def can_be_read(item: Boxed) -> bool:
    """Say whether the header of an image can be read; where not, that is told as what is wrong with the image."""
    try:
        return item.header.width > 0
    except BadImage:
        return False


def find_troubles(looks: Sequence[Looked]) -> Iterator[Finding]:
    """Yield what is wrong with the keypoints of objects."""
    for kind, (level, title, advice) in TITLES.items():
        items = tuple((look.name, trouble.told) for look in looks for trouble in look.troubles if trouble.kind == kind)
        if items:
            yield Finding(level, kind, title, advice, items)


def find_unmarked(looks: Sequence[Looked], names: Sequence[str], splits: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the keypoints that are marked nowhere in train, of which nothing is learnt."""
    learnt = [x for look in looks if splits.get(look.name, "train") == "train" for _, x in look.marked]
    never = np.flatnonzero(~np.any([np.zeros(len(names), np.bool_), *learnt], axis=0)).tolist()
    if len(never) == len(names):
        yield Finding("warning", "unmarked", "no object of train has a marked keypoint", "mark some: nothing is learnt")
    elif never:
        shown = listed((printable(names[k]) for k in never), 6)
        advice = "mark some, or leave them out: nothing is learnt of them"
        yield Finding("warning", "unmarked", f"keypoints that are marked nowhere in train: {shown}", advice)


def find_names(listing: BoxListing) -> Iterator[Finding]:
    """Yield what the names and the skeleton leave open."""
    names, swaps = listing.keypoints, next((item.swaps for item in listing.items if item.swaps is not None), None)
    if swaps is None:
        own = zip(names, mirrored(names), range(len(names)), strict=True)
        alone = [name for name, partner, k in own if partner == k and any(side in name.lower() for side in SIDES)]
        if alone:
            shown, advice = listed(map(printable, alone), 6), "name the other side as it is, with right for left"
            yield Finding("warning", "mirror", f"keypoints of a side that lack the other one: {shown}", advice)
    if listing.skeleton is None:
        yield Finding("note", "skeleton", "no skeleton: nothing says which keypoints are joined, and nothing needs it")
    elif strange := [pair for pair in listing.skeleton if not all(1 <= k <= len(names) for k in pair)]:
        title = f"the skeleton joins {listed(map(str, strange), 3)}; keypoints are 1 to {len(names)}"
        yield Finding("warning", "skeleton", title, "correct it")


def facts_of(looks: Sequence[Looked], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield which keypoints there are, and how many are marked by class."""
    objects, marked = Counter[str](), Counter[str]()
    for label, own in (row for look in looks for row in look.marked):
        objects[label] += 1
        marked[label] += int(own.sum())
    counts = (f"{printable(label)} {marked[label] / n:.1f} (of {n})" for label, n in objects.items())
    yield "keypoints", f"{len(names)}: {listed(map(printable, names), 6)}; marked of an object: {listed(counts, 6)}"
