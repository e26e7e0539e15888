"""What the sections of a detection run need to be drawn: curves of classes, and the worst pictures with their boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ft.data import Sample, decode
from ft.errors import DataError
from ft.metrics.matches import SURE
from ft.metrics.run_lengths import Runs
from ft.report.boxes import colour_of, drawn
from ft.report.chart import Chart, Tick, points
from ft.report.masks import as_uri
from ft.tasks.box_rows import Pictured
from ft.tasks.sections import Curves, WorstBoxes

GREY, SIDE = 128, 512  # of a picture that is gone; pixels of the longer side on the page
LINES = 12  # classes whose curve is drawn
FRAME, SIZE = (52.0, 28.0, 508.0, 262.0), (520.0, 306.0)


def curve_parts(section: Curves) -> dict[str, Any]:
    """Return what the template of curves needs; those of the lowest mean first, as the weakest tell most."""
    known = [(name, x, y) for name, x, y in section.lines if np.isfinite(y).any()]
    lines = sorted(known, key=lambda line: float(np.nanmean(line[2])))[:LINES]
    left, top, right, bottom = FRAME
    ticks = np.linspace(0, 1, 6)
    across, up = left + ticks * (right - left), bottom - ticks * (bottom - top)
    order = [name for name, _, _ in section.lines]
    colours = [f"#{bytes(colour_of(order.index(name))).hex()}" for name, _, _ in lines]
    chart = Chart(
        title=section.heading,
        words=f"{section.heading}: {section.y} over {section.x}, mean "
        + "; ".join(f"{name} {np.nanmean(y):.3f}" for name, _, y in lines),
        x_ticks=tuple(Tick(float(at), f"{t:g}") for at, t in zip(across, ticks.round(1), strict=True)),
        y_ticks=tuple(Tick(float(at), f"{t:g}") for at, t in zip(up, ticks.round(1), strict=True)),
        lines=tuple((colour, polyline(x, y)) for colour, (_, x, y) in zip(colours, lines, strict=True)),
        frame=FRAME,
        size=SIZE,
    )
    legend = [(name, colour) for (name, _, _), colour in zip(lines, colours, strict=True)]
    return {
        "template": "curves.html.j2", "chart": chart, "legend": legend, "more": len(known) - len(lines),
        "note": section.note, "x": section.x, "y": section.y,
    }  # fmt: skip


def polyline(x: np.ndarray, y: np.ndarray) -> str:
    """Return the points of a curve whose axes go from 0 to 1."""
    left, top, right, bottom = FRAME
    return points(zip((left + x * (right - left)).tolist(), (bottom - y * (bottom - top)).tolist(), strict=True))


def worst_box_parts(section: WorstBoxes, samples: Sequence[Sample] | None) -> dict[str, Any]:
    """Return what the template of the worst pictures needs: name, counts and two pictures of each row."""
    sources = {sample.name: sample.source for sample in samples or ()}
    rows, met = [], False
    for row in section.rows:
        picture = pixels_of(sources.get(row.name))
        met |= picture is not None
        if picture is None or picture.shape[:2] != row.size:
            picture = np.full((*row.size, 3), GREY, np.uint8)
        rows.append((row.name, row.outcome, pair(picture, row, section.classes)))
    return {"template": "boxes.html.j2", "rows": rows, "images_found": met, "sure": SURE}


def pixels_of(source: Any) -> np.ndarray | None:
    """Return a picture uint8 (H, W, 3); None where it is not to be had."""
    try:
        return None if source is None else decode(source)
    except DataError:
        return None


def pair(picture: np.ndarray, row: Pictured, classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return a picture with its true boxes and with the detections, and what each is."""
    shown, scale = shrunk(picture)
    sure, size = np.flatnonzero(row.found.scores >= SURE), shown.shape[:2]
    own = row.truth
    more = resized(own.masks, size), shrunk_points(own.points, scale)
    true = drawn(shown, own.corners * scale, own.classes.tolist(), classes, None, *more)
    corners, numbers = row.found.corners[sure] * scale, row.found.classes[sure].tolist()
    masks = row.found.masks and [row.found.masks[i] for i in sure.tolist()]
    points = None if row.found.points is None else row.found.points[sure]
    more = resized(masks, size), shrunk_points(points, scale)
    said = drawn(shown, corners, numbers, classes, row.found.scores[sure], *more)
    return [("the boxes", as_uri(true)), ("the detections", as_uri(said))]


def shrunk_points(points: np.ndarray | None, scale: float) -> list[np.ndarray]:
    """Return keypoints (M, K, 3) on a picture that was multiplied by a scale, a row an object."""
    return [] if points is None else list(points * np.array([scale, scale, 1.0]))


def resized(masks: Sequence[Runs] | None, size: tuple[int, int]) -> list[np.ndarray]:
    """Return masks as bool (H, W) of that size, by their nearest pixels."""
    pictures = (Image.fromarray(mask.mask) for mask in masks or ())
    return [np.asarray(picture.resize((size[1], size[0]), Image.Resampling.NEAREST)) for picture in pictures]


def shrunk(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a picture of at most SIDE pixels, and what its own were multiplied by."""
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale == 1:
        return picture, scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)), scale
