"""Decoding a JPEG: TensorFlow's default arithmetic is the quick one, Pillow's the exact one."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.pixels import channel_map, differing_images, level_size, roughness

LEVELS = 32  # two decoders of one file are never further apart; 21 is the largest that was measured
MEAN = 4  # levels, over all pixels; measured: 0.9 to 2.5
CHANGED = 0.01  # share of the pixels that must differ: a decoder spares no corner of an image


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether two batches are the same pictures, a few whole levels apart all over and neither of them rougher."""
    for row, a, b in differing_images(evidence):
        levels = whole_levels(a, b)
        if levels is None or channel_map(a, b) is not None:
            continue
        if not 0.9 < roughness(a) / max(roughness(b), np.finfo(float).tiny) < 1.1:
            continue
        if levels.max() <= LEVELS and levels.mean() <= MEAN and np.count_nonzero(levels) > CHANGED * levels.size:
            detail = f"the pixels are up to {levels.max():.0f} of 255 levels apart, {levels.mean():.2g} on average"
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail, certain=False)


def whole_levels(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return how many of 255 levels apart each pixel is; None where these are no whole numbers."""
    sizes = [level_size(images) for images in (a, b)]
    if sizes[0] is None or sizes[1] is None or not np.allclose(sizes[0], sizes[1], rtol=1e-3):
        return None
    levels = np.abs(a - b) / sizes[0]
    return levels if np.abs(levels - np.round(levels)).max() < 0.05 else None


ENTRY = Entry(
    name="jpeg-decode",
    title="Decoding a JPEG: quick or exact arithmetic",
    torch="Pillow and torchvision.io decode with libjpeg's exact integer transform (ISLOW), bit for bit alike",
    tf="tf.io.decode_jpeg, and with it image_dataset_from_directory, takes the quick transform (IFAST) by default",
    why="the standard allows decoders to round in their own way, and the quick one was once much quicker",
    shows="pixels differ by 1 level on average and by up to 21 of 255, more at high qualities; the first convolution "
    "of a ResNet-18 by 3 %",
    mend_torch="nothing to do: PIL.Image.open(path).convert('RGB')",
    mend_tf='tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE") gives Pillow\'s pixels exactly',
    probe=probe,
)
