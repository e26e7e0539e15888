"""The rates of dilated convolutions: how far apart the places are that a filter looks at."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance

RATES = (*range(1, 13), 16, 18, 24, 36)
CHANNELS = 8  # of the output: more say nothing more


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Try every rate on the convolutions that keep a map's size, and see which one each side has."""
    for layer in evidence.layers("conv"):
        rates = [used_rate(evidence, side) for side in layer.sides]
        if None not in rates and rates[0] != rates[1]:
            detail = f"{evidence.a.label}: {rates[0]}; {evidence.b.label}: {rates[1]}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def used_rate(evidence: Evidence, side: Side) -> str | None:
    """Return the rate, in words, that gives a side's output of its first image."""
    weight, y = side.weights.get("weight"), side.output[:1, :CHANNELS]
    if weight is None or not side.inputs or weight.ndim != 4 or max(weight.shape[2:]) == 1:
        return None
    x = side.inputs[0][:1]
    if x.ndim != 4 or x.shape[2:] != side.output.shape[2:] or x.shape[1] != weight.shape[1]:
        return None
    bias = side.weights.get("bias", np.zeros(len(weight)))[:CHANNELS].reshape(1, -1, 1, 1)
    inside = [rate for rate in RATES if rate < max(x.shape[2:])]
    words = {rate: f"rate {rate}" for rate in inside} | {max(x.shape[2:]): "a rate beyond the map's sides"}
    rates = (rate for rate in words if evidence.same(dilated(x, weight[:CHANNELS], rate) + bias, y))
    return next((words[rate] for rate in rates), None)


def dilated(x: np.ndarray, weight: np.ndarray, rate: int) -> np.ndarray:
    """Return a convolution of maps (N, C, H, W) whose weights lie `rate` pixels apart, padded to keep the size."""
    height, width = x.shape[2:]
    rows, columns = weight.shape[2] // 2 * rate, weight.shape[3] // 2 * rate
    padded = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    places = ((i, j) for i in range(weight.shape[2]) for j in range(weight.shape[3]))
    parts = ((weight[..., i, j], padded[:, :, i * rate :, j * rate :][:, :, :height, :width]) for i, j in places)
    return np.sum([np.einsum("oc,nchw->nohw", w, part) for w, part in parts], axis=0)


ENTRY = Entry(
    name="aspp-rates",
    title="Dilated convolutions: the rates of DeepLab's pyramid",
    torch="torchvision's DeepLabV3 takes the rates 12, 24 and 36, whatever its backbone's stride: 8 with a ResNet, 16 "
    "with a MobileNet",
    tf="DeepLab in TensorFlow takes 6, 12 and 18 at an output stride of 16, and twice as much at 8",
    why="a rate counts pixels of the map, so the same view of the picture needs twice the rate at half the stride",
    shows="every shape and every weight fits; the pyramid's outputs differ at once, and all that follows",
    mend_torch="ASPP(channels, [6, 12, 18]) in place of DeepLabHead's, to imitate stride 16",
    mend_tf="dilation_rate=(12, 24, 36)[i] in the three convolutions, to take torchvision's weights",
    probe=probe,
)
