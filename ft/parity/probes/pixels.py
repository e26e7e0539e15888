"""Two batches of images, pixel against pixel: what maps the one to the other."""

from collections.abc import Iterator

import numpy as np

from ft.parity.evidence import Evidence, distance
from ft.parity.trace import Trace
from ft.parity.verdict import Row

ROUNDING = 1e-6  # relative; a batch may be float32 where the network computes in float64
ENOUGH = 16  # images of a batch: a map that fits so many pixels is no chance


def differing_images(evidence: Evidence) -> Iterator[tuple[Row, np.ndarray, np.ndarray]]:
    """Yield the row and the first images (N, H, W, C), as float64, of every step whose images differ and are finite."""
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.name == "images" and row.differs:
            a, b = (images_of(trace, row.step) for trace in evidence.traces)
            if a.ndim == 4 and a.shape == b.shape and a.size and np.isfinite(a).all() and np.isfinite(b).all():
                yield row, a, b


def images_of(trace: Trace, step: int | None) -> np.ndarray:
    """Return the first images of a step as float64."""
    return trace.arrays(step, "batch")["images"][:ENOUGH].astype(np.float64)


def channel_map(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return scale and shift of each channel, (C,) both, where b = a * scale + shift to rounding, else None.

    A channel of one value fits any map: None.
    """
    spread = a.std(axis=(0, 1, 2))
    if not (spread > 0).all():
        return None
    mean_a, mean_b = a.mean(axis=(0, 1, 2)), b.mean(axis=(0, 1, 2))
    scale = ((a - mean_a) * (b - mean_b)).mean(axis=(0, 1, 2)) / spread**2
    shift = mean_b - scale * mean_a
    fits = all(distance(a[..., c] * scale[c] + shift[c], b[..., c]) <= ROUNDING for c in range(a.shape[-1]))
    return (scale, shift) if fits and (np.abs(scale) > ROUNDING).all() else None


def level_size(images: np.ndarray) -> np.ndarray | None:
    """Return how far apart two neighbouring levels of each channel are, (C,), where the pixels were whole numbers from
    0 to 255 before they were scaled; None where they cannot have been.
    """
    sizes = []
    for c in range(images.shape[-1]):
        values = np.unique(images[..., c])
        gaps = np.diff(values)
        gaps = gaps[gaps > ROUNDING * np.ptp(values)]
        if not gaps.size:
            return None
        steps = (values - values[0]) / gaps.min()
        if steps[-1] > 255.5 or np.abs(steps - np.round(steps)).max() > 0.01:
            return None
        sizes.append(gaps.min())
    return np.array(sizes)


def roughness(images: np.ndarray) -> float:
    """Return the mean square of the step from a pixel to the next one, over both directions."""
    return float(np.square(np.diff(images, axis=1)).mean() + np.square(np.diff(images, axis=2)).mean())
