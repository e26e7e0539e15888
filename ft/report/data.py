"""What a check of a data set found, for a person and for a machine: text, HTML page with thumbnails, and JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ft.data.check.findings import SPLIT_ORDER, ClassCount, Finding
from ft.data.check.look import Look
from ft.data.check.result import Check
from ft.data.sources.scan import scan
from ft.data.sources.text import Text
from ft.errors import printable
from ft.report.template import template
from ft.report.thumbnails import thumbnail
from ft.system.console import new_console, say, say_pairs, say_table, written

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim", "errors": "bold red", "warnings": "yellow"}
LINES, CLASSES = 5, 12  # of a finding, and of the table of classes, in a terminal
SHOWN, FACES, STRIPS = 60, 6, 100  # on a page: files of a finding, thumbnails of a class, classes with thumbnails
SIDE = 112  # pixels of a thumbnail's long side
EXCERPT = 160  # characters of a text on a page


def render_text(check: Check, *, color: bool = False) -> str:
    """Return the report for a terminal or a file, the verdict first."""
    console = new_console(color=color)
    say(console, f"{check.status.upper()}: {headline(check)}", style=STYLES.get(check.status, "bold green"))
    say_pairs(console, facts(check))
    notes = [finding for finding in check.findings if finding.level == "note"]
    for finding in check.findings[: len(check.findings) - len(notes)]:
        say(console, "")
        say_finding(console, finding)
    say(console, "")
    for finding in notes:
        say_finding(console, finding)
    say_classes(console, check)
    return written(console)


def headline(check: Check) -> str:
    """Return the verdict in a sentence."""
    bad = len(check.looks) - len(check.usable)
    counts = {level: sum(f.level == level for f in check.findings) for level in ("error", "warning")}
    if counts["error"]:
        what = f"{bad} of {len(check.looks)} {check.things} cannot be used" if bad else "cannot be trained on as it is"
    else:
        what = f"all {len(check.looks)} {check.things} can be used"
    more = f", {counts['warning']} warning{'s' * (counts['warning'] > 1)}" if counts["warning"] else ""
    return f"{printable(check.spec)}: {what}{more}"


def facts(check: Check) -> Iterator[tuple[str, str]]:
    """Yield what the data is, in a few lines."""
    usable, classes = check.usable, [c for c in check.classes if c.images]
    size = sum(look.size for look in check.looks) / 1e6
    counted = f", {len(classes)} class{'es' * (len(classes) != 1)}" if classes or check.things == "images" else ""
    yield check.things, f"{len(usable)} usable of {len(check.looks)}, {size:.1f} MB{counted}"
    train, val, test = (sum(split == wanted for split in check.splits.values()) for wanted in SPLIT_ORDER)
    given = any(look.entry.split == "val" for look in check.looks)
    held = f"{val} val{'' if given or not val else ', held out as training would by default'}"
    yield "splits", f"{train} train, {held}" + (f", {test} test, evaluated once when a training ends" if test else "")
    if check.listing.multilabel and usable:
        each = sum(len(look.entry.labels) for look in usable) / len(usable)
        per = "an image" if check.listing.thing == "image" else "a text"
        yield "labels", f"multi-label, {each:.2f} {per}: train with --loss bce or bce-focal"
    yield from check.facts
    if usable and check.things == "images":
        width, height = median(look.width for look in usable), median(look.height for look in usable)
        small, large = min(usable, key=pixels_of), max(usable, key=pixels_of)
        ends = f"from {small.width}x{small.height} to {large.width}x{large.height}"
        yield "pixels", f"{width:.0f}x{height:.0f} in the middle, {ends}"
    yield "checked", f"in {check.seconds:.1f} s, {len(check.looks) / max(check.seconds, 1e-9):.0f} {check.things}/s"


def pixels_of(look: Look) -> int:
    """Return the number of an image's pixels."""
    return look.width * look.height


def say_finding(console: "Console", finding: Finding) -> None:
    """Print a finding with the first of its files."""
    advice = f"; {finding.advice}" if finding.advice else ""
    count = f" ({len(finding)})" if len(finding) else ""
    say(console, f"{finding.level}: {finding.title}{count}{advice}", style=STYLES[finding.level])
    items = [(printable(name), printable(detail)) for name, detail in finding.items[:LINES]]
    say_pairs(console, items)
    for name in (name for name, detail in items if not detail):
        say(console, f"  {name}")
    if len(finding.items) > LINES:
        say(console, f"  and {len(finding.items) - LINES} more")


def say_classes(console: "Console", check: Check) -> None:
    """Print how many images each class has, the largest and the smallest ones where there are many."""
    if not check.classes and check.things == "texts":
        return
    classes = sorted(check.classes, key=lambda c: -c.images)
    most = max((c.images for c in classes), default=0) or 1
    tested = [">test"] if any(c.test for c in classes) else []
    masks = [f">{what}" for what in ("pixels", "boxes") if any(getattr(c, what) is not None for c in classes)]
    rows = [
        (
            "",
            (
                printable(c.label),
                str(c.train),
                str(c.val),
                *[str(c.test)] * len(tested),
                *share_of(c),
                bar(c.images, most),
            ),
        )
        for c in classes
    ]
    if len(rows) > CLASSES:
        half, left = CLASSES // 2, len(rows) - CLASSES
        rows = [*rows[:half], ("dim", (f"... {left} more", "", "", *[""] * len([*tested, *masks]), "")), *rows[-half:]]
    say_table(console, ("class", ">train", ">val", *tested, *masks, ""), rows)


def share_of(count: ClassCount) -> list[str]:
    """Return the share of a class in the pixels or boxes, for the column that says it where masks or boxes do."""
    return [f"{share:.2%}" for share in (count.pixels, count.boxes) if share is not None]


def bar(count: int, most: int, width: int = 30) -> str:
    """Return a bar of blocks."""
    return "█" * max(round(width * count / most), count > 0)


def to_dict(check: Check) -> dict[str, Any]:
    """Return everything as plain values for JSON, with names as they are."""
    return {
        "data": check.spec,
        "status": check.status,
        check.things: len(check.looks),
        "usable": len(check.usable),
        "bytes": sum(look.size for look in check.looks),
        "seconds": round(check.seconds, 3),
        "classes": [counts_of(c) for c in check.classes],
        "findings": [
            {
                "level": f.level,
                "kind": f.kind,
                "title": f.title,
                "count": len(f),
                "advice": f.advice,
                "items": [{"name": name, "detail": detail} for name, detail in f.items],
            }
            for f in check.findings
        ],
    }


def counts_of(count: ClassCount) -> dict[str, Any]:
    """Return what is counted of a class."""
    shares = {"pixels": count.pixels, "boxes": count.boxes}
    told = {name: share for name, share in shares.items() if share is not None}
    return {"label": count.label, "train": count.train, "val": count.val, "test": count.test, **told}


@dataclass(frozen=True)
class Face:
    """A thumbnail on the page: a name, what is said of it, and the picture as a data URL, "" where there is none."""

    name: str
    detail: str
    url: str


def render_html(check: Check, *, max_pixels: int, workers: int = 2, quiet: bool = True) -> str:
    """Return the page, one file with its pictures in it. Names are escaped, and what cannot be seen is spelled out."""
    looks = {look.name: look for look in check.looks}
    strips = {c.label: faces_of(check, c.label) for c in check.classes[:STRIPS]}
    wanted = {name for f in check.findings for name, _ in f.items[:SHOWN] if name in looks}
    wanted |= {look.name for strip in strips.values() for look in strip}
    excerpts = {look.name: excerpt(look) for look in check.looks}
    named = sorted(wanted)
    chosen = [looks[name] for name in named if isinstance(looks[name].entry.source, Path | np.ndarray)]

    def draw(look: Look) -> str:
        assert not isinstance(look.entry.source, Text), "images alone were chosen"
        return thumbnail(look.entry.source, side=SIDE, max_pixels=max_pixels) or ""

    urls = scan(chosen, draw, workers=workers, quiet=quiet or not chosen, title="drawing")
    pictures = dict(zip((look.name for look in chosen), urls, strict=True))
    return template("images.html.j2").render(
        check=check,
        headline=headline(check),
        facts=list(facts(check)),
        findings=[(f, [face(n, d, pictures, excerpts.get(n, "")) for n, d in f.items[:SHOWN]]) for f in check.findings],
        classes=[(c, [face(k.name, "", pictures) for k in strips.get(c.label, ())]) for c in check.classes],
        most=max((c.images for c in check.classes), default=0) or 1,
        levels=[level for level in ("error", "warning", "note") if any(f.level == level for f in check.findings)],
        side=SIDE,
    )


def faces_of(check: Check, label: str) -> list[Look]:
    """Return the images that stand for a class: spread over its list, which often follows the time of shooting."""
    own = [look for look in check.usable if label in look.entry.labels]
    every = max(len(own) // FACES, 1)
    return own[::every][:FACES]


def excerpt(look: Look) -> str:
    """Return how a text begins, "" of an image."""
    if not isinstance(look.entry.source, Text):
        return ""
    line = look.entry.source.line
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}..."


def face(name: str, detail: str, pictures: dict[str, str], excerpt: str = "") -> Face:
    """Return a thumbnail with its words, or how a text begins."""
    said = "; ".join(filter(None, (detail, f'"{excerpt}"' if excerpt else "")))
    return Face(printable(name), printable(said), pictures.get(name, ""))
