"""The pictures with the lowest IoU, for the page: picture, mask and prediction side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ft.data import Sample, decode
from ft.data.images.view import fitted
from ft.errors import DataError
from ft.report.masks import as_uri, overlay, palette
from ft.tasks.sections import WorstMasks

FILL = np.full(3, 128, np.uint8)  # around a picture


def worst_parts(section: WorstMasks, samples: Sequence[Sample] | None) -> dict[str, Any]:
    """Return what the template needs: name, IoU and pictures of each row, and the colours of the classes in them."""
    sources = {sample.name: sample.source for sample in samples or ()}
    rows, any_shown = [], False
    for name, worst in section.rows:
        there = shown(sources.get(name), worst.mask.shape[0])
        any_shown |= there is not None
        rows.append((name, worst.iou, triple(there, worst.mask, worst.predicted, section.colours)))
    present = sorted({int(k) for _, worst in section.rows for k in np.unique([worst.mask, worst.predicted])})
    colours = [f"#{bytes(colour).hex()}" for colour in palette(section.colours)]
    legend = [(name, colours[k]) for k, name in enumerate(section.classes) if k in present]
    return {"template": "masks.html.j2", "rows": rows, "images_found": any_shown, "legend": legend}


def shown(source: Any, size: int) -> tuple[np.ndarray, tuple[slice, slice]] | None:
    """Return a picture as the network saw it, uint8 (size, size, 3), and its place; None where it is not to be had."""
    try:
        pixels = None if source is None else decode(source)
    except DataError:
        return None
    if pixels is None:
        return None
    view = fitted(pixels.shape[0], pixels.shape[1], size)
    return view.pixels(pixels, "bilinear", FILL), view.shown


def triple(
    there: tuple[np.ndarray, tuple[slice, slice]] | None, mask: np.ndarray, predicted: np.ndarray, own: Sequence[int]
) -> list[tuple[str, str]]:
    """Return the pictures of a row and what each is, without what is around them; without the picture the masks alone.

    there: see `shown`; own: see `palette`.
    """
    colours = palette(own)
    if there is None:
        return [("mask", as_uri(colours[mask])), ("predicted mask", as_uri(colours[predicted]))]
    picture, mask, predicted = (whole[there[1]] for whole in (there[0], mask, predicted))
    parts = {"mask": overlay(picture, mask, own), "predicted mask": overlay(picture, predicted, own)}
    return [(what, as_uri(part)) for what, part in {"picture": picture, **parts}.items()]
