"""Before an exported file is kept it is run: on what, and how far its answers may be from those of the run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ft.api.run import Run
from ft.data import Preprocess, decode
from ft.data.images.view import fitted
from ft.data.sources import dataset as data
from ft.data.text.process import TextProcess
from ft.errors import RunError, UserError
from ft.network.boxes.points import points_in
from ft.noise import generator
from ft.parity.arrays import gap, magnitude
from ft.parity.detections import apart
from ft.training.images import WITH_BOXES

IMAGES = 8  # to check a file with, or texts
WORDS = ("one", "two words", "and some more of them that stand in a row", "the last")


@dataclass(frozen=True)
class Sample:
    """What a file is checked with.

    given: to the network, in a type; fed: to the file, the first so many or all, in a type; source: from where.
    """

    given: Callable[[str], Any]
    fed: Callable[[int | None, str], Any]
    source: str


def check_images(run: Run, way: Preprocess, *, raw: bool) -> Sample:
    """Return images to check a file with."""
    (images, source), normalised = own_images(run, way), way.normalise

    def fed(count: int | None, dtype: str) -> np.ndarray:
        return images[:count] if raw else normalised(images[:count], dtype)

    return Sample(lambda dtype: normalised(images, dtype), fed, source)


def own_images(run: Run, way: Preprocess) -> tuple[np.ndarray, str]:
    """Return uint8 (N, crop, crop, C) to check a file with, and where they are from: the run's own, if still there."""
    try:
        samples = run.validation_samples()
        chosen = samples[:: -(-len(samples) // IMAGES)]  # from one end to the other, for they are sorted by class
        decoded = (decode(cast(Path, s.source), channels=way.channels, short_side=way.short_side) for s in chosen)
        return np.stack([shown(run, way, pixels) for pixels in decoded]), f"{len(chosen)} of its validation images"
    except UserError as error:
        shape = (IMAGES, way.crop, way.crop, way.channels)
        return generator(0, "export").integers(0, 256, shape, np.uint8), f"{IMAGES} generated images, for {error}"


def shown(run: Run, way: Preprocess, pixels: np.ndarray) -> np.ndarray:
    """Return what the network sees of an image; of one with boxes all."""
    if run.task.labels not in WITH_BOXES:
        return way.resize_and_crop(pixels)
    height, width = pixels.shape[:2]
    return fitted(height, width, way.crop).pixels(pixels, way.interpolation, way.fill)


def check_texts(run: Run, way: TextProcess) -> Sample:
    """Return texts to check a file with, the first alone padded to another length than all; the run's own, if there."""
    try:
        samples = run.validation_samples()
        chosen = samples[:: -(-len(samples) // IMAGES)]
        source = f"{len(chosen)} of its validation texts"
    except UserError as error:
        in_words = run.task.labels == "tags"
        chosen = tuple(data.Sample(words, 0, data.Text(tuple(words.split()) if in_words else words)) for words in WORDS)
        source = f"{len(chosen)} texts that are made up, for {error}"
    tokens = way.tokens(chosen)
    return Sample(
        lambda dtype: way.batch(tokens, np.arange(len(chosen))),
        lambda count, dtype: dict(way.batch(tokens, np.arange(count or len(chosen))).arrays),
        source,
    )


def real(logits: np.ndarray, given: Any) -> np.ndarray:
    """Return logits of tokens (N, T, K) as rows without those of padding, which nobody reads; others whole."""
    return logits[given["mask"] == 1] if logits.ndim == 3 else logits


def compared(
    run: Run, expected: Mapping[str, np.ndarray], answers: Sequence[tuple[Any, Any]], bars: Mapping[str, float]
) -> dict[str, Any]:
    """Return how far what a file says is from what the run says. answers: what it was given, and what it said."""
    bar = bars["export"]
    if run.task.labels in WITH_BOXES:
        found = [apart(with_points(said), expected, bar=bar, side=run.preprocess.crop) for _, said in answers]
        counts = {"detections": sum(own.count for own in found), "alone": sum(own.alone for own in found)}
        return {
            "difference": max(own.largest for own in found),
            "tolerance": bar,
            **counts,
            "alone_tolerance": bars["alone"],
        }
    (whole, _), logits = answers[-1], expected["logits"]
    away = [difference(real(said, given), real(logits, whole)) for given, said in answers]
    return {"difference": max(away), "tolerance": bar}


def with_points(said: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return what a file says with the keypoints that its heatmaps say, if it gives any, as a run gives them."""
    if "heatmaps" not in said:
        return said
    heatmaps = said["heatmaps"]
    points, heights = points_in(heatmaps.reshape(-1, *heatmaps.shape[2:]), said["boxes"].reshape(-1, 4))
    shape = heatmaps.shape[:3]
    return {**said, "keypoints": points.reshape(*shape, 2), "heights": heights.reshape(shape)}


def difference(logits: np.ndarray, expected: np.ndarray) -> float:
    """Return how far logits (n, ...) are from the first n expected ones, in shares of these's largest magnitude.

    Infinity where any is not finite.
    """
    expected = expected[: len(logits)]
    return gap(logits, expected).absolute / (magnitude(expected) or 1) if np.isfinite(logits).all() else np.inf


def check_words(check: Mapping[str, Any]) -> str:
    """Return what was measured in words."""
    bar = f"(tolerance {check['tolerance']:.0e}{check['note']})"
    if "detections" not in check:
        return (
            f"{check['images']}: logits differ from the run's by at most {check['difference']:.1e} of the largest {bar}"
        )
    return (
        f"{check['images']}: edges differ from the run's by at most {check['difference']:.1e} of the side, all "
        f"else that is said of boxes by no more {bar}; {check['alone']} of {check['detections']} detections are on one "
        "side only"
    )


def refuse_difference(check: dict[str, Any], target: Path) -> None:
    """Raise RunError where a file's answers are not those of the run, NaN included."""
    if check.get("alone", 0) > check.get("alone_tolerance", 0) * check.get("detections", 0):
        raise RunError(
            f"{target} was not kept: {check['alone']} of {check['detections']} detections on {check['images']} are its "
            "own or the run's alone; this is a bug, please report it"
        )
    if not check["difference"] <= check["tolerance"]:
        raise RunError(
            f"{target} was not kept: its logits differ by {check['difference']:.1e} of the run's largest on "
            f"{check['images']}, more than the tolerance of {check['tolerance']:.0e}; this is a bug, please report it"
        )
