"""What a check has to say: one rule a function, each from the looks at all images to findings."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ft.data.check.look import CONTROL, FRAMES, GREY, GREY_16, INK, MANGLED, PROFILE, TRANSPARENT, TURNED, Look
from ft.data.images.decode import KINDS
from ft.data.sources.box import FAULTS as OF_BOXES
from ft.data.sources.boxes.listing import UNTOLD
from ft.data.sources.folder import BESIDE, EMPTY, LEFT, NO_FILE, NO_IMAGE, NO_SPLIT
from ft.data.sources.listing import UNLABELLED_TEST, Listing, Thing, worded
from ft.data.sources.manifest import COMMAS
from ft.data.sources.mask import FAULTS
from ft.data.sources.masks.pairs import LONE
from ft.data.sources.policy import Policy
from ft.data.sources.spelling import TWO_WAYS
from ft.data.sources.texts.raw import KINDS as OF_TEXTS

Level = Literal["error", "warning", "note"]

TINY = 32  # pixels of the short side below which a photo has lost what a pretrained network looks for
SPLIT_ORDER = ("train", "val", "test")
SKEWED = 10  # times as many images in the largest class as in the smallest

ADVICE = {
    "unreadable": "mend the permissions or the path, or leave them out with --on-bad-image skip",
    "empty": "copy the files again, or leave them out with --on-bad-image skip",
    "wrong type": "download the files again, or convert them to JPEG, PNG, BMP, GIF, WebP, TIFF or PPM",
    "truncated": "copy the files again, or leave them out with --on-bad-image skip",
    "damaged": "copy the files again, or leave them out with --on-bad-image skip",
    "huge": "shrink them, or raise --max-pixels",
    "no range": "convert them to 8 or 16 bits",
    "empty text": "write them, take them out, or leave them out with --on-bad-image skip",
    "encoding": "save them as UTF-8, or leave them out with --on-bad-image skip",
    "narrow": "crop them, or leave them out with --on-bad-image skip",
    "box": "correct them, or leave the images out with --on-bad-image skip",
    "box count": "cut the images into parts, or leave them out with --on-bad-image skip",
    "box size": "draw the boxes on these very images, or leave them out with --on-bad-image skip",
    "mask missing": "draw them, or leave the images out with --on-bad-image skip",
    "mask file": "save masks as PNG, or leave the images out with --on-bad-image skip",
    "mask size": "save them at their image's size, or leave the images out with --on-bad-image skip",
    "mask value": "correct them, or name the values in classes.txt",
}
IGNORED: dict[str, tuple[Level, str, str]] = {
    NO_FILE: ("warning", "not a file", "copy the files into their folders, or pass --allow-outside-root for links"),
    BESIDE: ("warning", "beside", "move the images into class folders"),
    NO_IMAGE: ("note", "no image", "only files with the extension of an image are read"),
    NO_SPLIT: ("note", "no split", "train, val and test are read, or what serves as val"),
    LEFT: ("note", "left by training", "runs are no class; --out and another working folder keep them elsewhere"),
    UNTOLD: ("warning", "no file", "a file without an object says that there is no box"),
    LONE: ("warning", "lone mask", "give both the same name, or remove the masks"),
    TWO_WAYS: ("note", "spelling", "rename folders or labels to write them alike"),
    COMMAS: ("note", "comma", "write a|b for the two labels a and b"),
    UNLABELLED_TEST: ("note", "prediction", "with folders named as train's they would be evaluated"),
}


@dataclass(frozen=True)
class Finding:
    """One thing to say: how bad, in a few words, what to do, and of which files or classes, each with a detail.

    kind: a word for programs; count: how many there are, for what is not listed by name.
    """

    level: Level
    kind: str
    title: str
    advice: str = ""
    items: tuple[tuple[str, str], ...] = ()
    count: int = 0

    def __len__(self) -> int:
        return len(self.items) or self.count


@dataclass(frozen=True)
class ClassCount:
    """How many usable images of a class train, validate and test.

    pixels, boxes: its share of these, where masks or boxes say that.
    """

    label: str
    train: int
    val: int
    test: int = 0
    pixels: float | None = None
    boxes: float | None = None

    @property
    def images(self) -> int:
        """How many there are in all splits."""
        return self.train + self.val + self.test


def all_findings(
    listing: Listing,
    looks: Sequence[Look],
    classes: Sequence[ClassCount],
    splits: dict[str, str],
    refusal: str,
    policy: Policy,
) -> list[Finding]:
    """Return everything that was found, errors first."""
    findings = [Finding("error", "structure", refusal)] if refusal else []
    findings += find_faults(looks)
    findings += find_copies(looks, splits, policy, listing.thing)
    findings += find_class_troubles(listing, classes, policy)
    if listing.thing == "text":
        findings += find_mangled(looks)
    else:
        findings += find_tiny(looks)
    findings += find_unlabelled(listing, classes)
    findings += find_left_out(listing)
    findings += find_traits(listing, looks)
    return worst_first(findings)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, errors first."""
    order = ("error", "warning", "note")
    return sorted(findings, key=lambda finding: order.index(finding.level))


def find_left_out(listing: Listing) -> Iterator[Finding]:
    """Yield what the source holds and training leaves out."""
    for what, (level, kind, advice) in IGNORED.items():
        reason = worded(what, listing.thing)
        if names := sorted(listing.ignored.get(reason, ())):
            yield Finding(level, kind, reason, worded(advice, listing.thing), tuple((name, "") for name in names))


def find_faults(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield the images that cannot be used, by what is wrong with them."""
    faults = defaultdict(list)
    for look in looks:
        if look.fault:
            faults[look.fault.kind].append((look.name, look.fault.reason.partition(";")[0]))
    for kind, title in (KINDS | FAULTS | OF_BOXES | OF_TEXTS).items():
        if kind in faults:
            yield Finding("error", kind, title, ADVICE[kind], tuple(faults[kind]))


def find_copies(looks: Sequence[Look], splits: dict[str, str], policy: Policy, thing: Thing) -> Iterator[Finding]:
    """Yield the images with the bytes of another one, and the texts: across splits, under two labels, within a split.

    Each image is told once, by the worst of the three, beside the first image of the same bytes.
    """
    same = defaultdict(list)
    for look in looks:
        if look.fault is None:
            same[look.digest].append(look)
    leaks: dict[str, list[tuple[str, str]]] = {"val": [], "test": []}
    conflicts, copies = [], []
    for group in same.values():
        first, *others = sorted(group, key=lambda look: SPLIT_ORDER.index(splits[look.name]))
        for look in others:
            leak = leaks[splits[look.name]] if splits[look.name] != splits[first.name] else None
            other = look.entry.labels != first.entry.labels
            same_by = "bytes" if thing == "image" else "text"
            detail = f"same {same_by} as {first.name}" + (
                f", labelled {first.entry.label or 'nothing'}" if other else ""
            )
            (leak if leak is not None else conflicts if other else copies).append((look.name, detail))
    level = "error" if policy.fail_on_leak else "warning"
    told: list[tuple[Level, str, str, str, list[tuple[str, str]]]] = [
        (
            level,
            "leak",
            f"val {thing}s that are train {thing}s, so val accuracy flatters",
            f"keep each {thing} in one split",
            leaks["val"],
        ),
        (
            level,
            "leak",
            f"test {thing}s that are train or val {thing}s",
            f"keep each {thing} in one split",
            leaks["test"],
        ),
        ("warning", "conflict", f"the same {thing} under two labels", "keep the right label", conflicts),
        ("warning", "copies", "copies within a split", "keep one of each, unless they are meant to weigh more", copies),
    ]
    for level, kind, title, advice, items in told:
        if items:
            yield Finding(level, kind, title, advice, tuple(items))


def find_class_troubles(listing: Listing, classes: Sequence[ClassCount], policy: Policy) -> Iterator[Finding]:
    """Yield classes that are empty, are never validated, or much larger than others."""
    thing, title = listing.thing, worded(EMPTY, listing.thing)
    folders = sorted(listing.ignored.get(title, ()))
    told = {name.rpartition("/")[2] for name in folders}
    spoilt = [c.label for c in classes if not c.images and c.label not in told]
    empty = [(name, "") for name in folders] + [(label, f"none of its {thing}s can be used") for label in spoilt]
    level = "error" if policy.fail_on_empty_class else "warning"
    unseen = [(c.label, f"{c.train} train {thing}s") for c in classes if c.train and not c.val]
    counts = {c.label: c.train for c in classes if c.train}
    if empty:
        yield Finding(level, "empty class", title, f"put {thing}s into them", tuple(empty))
    if unseen:
        advice = f"move some {thing}s to val; without a val split a stratified share is held out"
        yield Finding("warning", "no val", f"classes without val {thing}s", advice, tuple(unseen))
    if counts and max(counts.values()) >= SKEWED * min(counts.values()):
        low, high = min(counts, key=lambda c: counts[c]), max(counts, key=lambda c: counts[c])
        items = tuple((label, f"{counts[label]} train {thing}s") for label in (high, low))
        yield Finding("warning", "skewed", "classes of very different size", "collect more of the small ones", items)


def find_tiny(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield the images with fewer pixels than a network needs to see anything."""
    tiny = [look for look in looks if look.fault is None and min(look.width, look.height) < TINY]
    items = tuple((look.name, f"{look.width}x{look.height} pixels") for look in tiny)
    if items:
        yield Finding(
            "warning", "tiny", f"tiny images, under {TINY} pixels", "check that they are no thumbnails", items
        )


def find_mangled(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield the texts that went through another encoding than theirs."""
    items = tuple((look.name, "") for look in looks if MANGLED in look.traits)
    if items:
        advice = "read the source again in its own encoding, and save that as UTF-8"
        yield Finding("warning", "mangled", "texts that an encoding has spoilt (\ufffd, or Ã© for é)", advice, items)


def find_unlabelled(listing: Listing, classes: Sequence[ClassCount]) -> Iterator[Finding]:
    """Yield the images without a label, which only a binary loss takes; a warning where no image has several labels."""
    if listing.thing == "text" and not classes:  # nothing has a class
        return
    bare = tuple((entry.name, "") for entry in listing.entries if not entry.labels)
    meant = any(len(entry.labels) > 1 for entry in listing.entries)
    if bare:
        advice = "they train with --loss bce or bce-focal; label them if that is not meant"
        yield Finding("note" if meant else "warning", "no label", f"{listing.thing}s without a label", advice, bare)


def find_traits(listing: Listing, looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield how many images are special, and how they are read; how many lie deeper; how many files were hidden."""
    rules = {
        FRAMES: "images of several frames: the first one is used",
        TURNED: "images turned by EXIF: they are turned upright",
        TRANSPARENT: "transparent images: composited on white",
        GREY_16: "16-bit grey images: scaled to 8 bits",
        GREY: "grey images: the grey value three times",
        INK: "CMYK images: converted to RGB without colour management",
        CONTROL: "texts with control characters: they are left to the tokenizer",
        PROFILE: "images with a colour profile: it is ignored, pixels are taken as sRGB",
    }
    counts = Counter(trait for look in looks if look.fault is None for trait in look.traits)
    for trait, rule in rules.items():
        if counts[trait]:
            yield Finding("note", "trait", rule, count=counts[trait])
    depth = Counter(look.name.count("/") - bool(look.entry.split) for look in looks)
    deeper = sum(count for level, count in depth.items() if level > 1)
    if deeper and listing.folders:
        yield Finding(
            "note", "deeper", f"{listing.thing}s in folders below their class folder: of that class", count=deeper
        )
    if listing.hidden:
        yield Finding("note", "hidden", "hidden files and folders, passed over", count=listing.hidden)
