"""The range of the pixels: 0..255, 0..1, -1..1, or mean 0 and deviation 1."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.pixels import ROUNDING, channel_map, differing_images
from ft.zoo.published import MEAN, STD

CAFFE = (123.68, 116.779, 103.939)  # what keras.applications subtracts in its caffe mode
RANGES = {  # what each makes of whole numbers from 0 to 255: scale and shift
    "0..255": (np.ones(3), np.zeros(3)),
    "0..1": (np.ones(3) / 255, np.zeros(3)),
    "-1..1": (np.ones(3) / 127.5, -np.ones(3)),
    "ImageNet's mean and deviation": (1 / (255 * np.array(STD)), -np.array(MEAN) / STD),
    "0..255 less ImageNet's mean": (np.ones(3), -np.array(CAFFE)),
}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one batch is the other, each channel scaled and shifted; the channels may be reversed besides."""
    for row, a, b in differing_images(evidence):
        orders = [a, a[..., ::-1]] if a.shape[-1] == 3 else [a]
        scaling = next((x for x in (channel_map(order, b) for order in orders) if x is not None), None)
        if scaling is None:
            continue
        scale, shift = scaling
        if np.abs(scale - 1).max() > ROUNDING or np.abs(shift).max() > ROUNDING * np.abs(b).max():
            detail = describe(evidence, scale, shift)
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def describe(evidence: Evidence, scale: np.ndarray, shift: np.ndarray) -> str:
    """Return the names of two ranges that such a map leads between, or the map."""
    a, b = (trace.label for trace in evidence.traces)
    if len(scale) == 3:
        for (name_a, (scale_a, shift_a)), (name_b, (scale_b, shift_b)) in permutations(RANGES.items(), 2):
            wanted = scale_b / scale_a, shift_b - scale_b / scale_a * shift_a
            if np.allclose((scale, shift), wanted, rtol=1e-4, atol=1e-5):
                return f"{a}: {name_a}; {b}: {name_b}"
    return f"{b}'s channels are {a}'s times {rounded(scale)} plus {rounded(shift)}"


def rounded(numbers: np.ndarray) -> str:
    """Return a few numbers in words."""
    return ", ".join(f"{number:.4g}" for number in numbers)


ENTRY = Entry(
    name="input-scaling",
    title="The range of the pixels: 0..255, 0..1, -1..1, mean and deviation",
    torch="ToTensor gives 0..1; torchvision's weights want (x - mean) / std a channel besides",
    tf="keras.utils.image_dataset_from_directory gives 0..255; keras.applications wants -1..1 (mode tf), mean and "
    "deviation (torch), the mean only and BGR (caffe), or 0..255 where the network scales by itself (EfficientNet)",
    why="each network wants what its weights were trained on; the framework does not know and does not check",
    shows="the input's values differ by one factor and one shift a channel; a frozen network's features are useless",
    mend_torch="transforms.Normalize(mean, std) with the numbers of the weights: weights.transforms() has them",
    mend_tf="(x / 255 - mean) / std for torchvision's weights; for others that network's own preprocess_input",
    probe=probe,
)
