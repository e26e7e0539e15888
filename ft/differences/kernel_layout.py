"""The axes of a kernel: (out, in, height, width) in PyTorch, (height, width, in, out) in Keras."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.probes.replay import padded, paddings, windows

Variants = dict[str, np.ndarray]  # in words, and the weight read so; the first is the weight as it is
PLACES = 32  # outputs of a convolution that are computed: enough to tell kernels apart, and quick
AS_NAMED = "as it is"


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether a weight, or the use that a layer makes of it, has two of its axes changed."""
    yield from misread(evidence, ENTRY.name, lambda weight, channels: axes_changed(weight))


def axes_changed(weight: np.ndarray) -> Variants:
    """Return a kernel with its axes taken for others of the same length."""
    variants = {AS_NAMED: weight}
    if weight.ndim == 4 and weight.shape[2] == weight.shape[3] > 1:
        variants["height and width swapped"] = weight.swapaxes(2, 3)
        variants["turned by half, as a true convolution"] = weight[:, :, ::-1, ::-1]
    if weight.ndim in (2, 4) and weight.shape[0] == weight.shape[1] > 1:
        variants["inputs and outputs swapped"] = weight.swapaxes(0, 1)
    return variants


def misread(evidence: Evidence, entry: str, read: Callable[[np.ndarray, int], Variants]) -> Iterator[Finding]:
    """Yield where one side has, or uses, another variant of a weight than the other side.

    read: the variants of a weight (O, I, ...), given the number of channels that go into its layer.
    """
    for row in evidence.verdict.rows:
        if row.phase == "weights" and row.differs and not row.fault:
            a, b = (trace.arrays(None, "weights")[row.name] for trace in evidence.traces)
            channels = channels_into(evidence, row.name)
            name = next((name for name, w in read(a, channels).items() if evidence.same(w, b)), AS_NAMED)
            if name != AS_NAMED:
                detail = f"{evidence.b.label} holds {evidence.a.label}'s weight with {name}"
                yield Finding(entry, row.step, row.phase, row.name, row.relative, detail)
    for kind in ("conv", "linear"):
        for layer in evidence.layers(kind):
            variants = [used_variant(evidence, layer, side, read) for side in layer.sides]
            if None not in variants and variants[0] != variants[1]:
                detail = f"{evidence.a.label} takes the weight {variants[0]}, {evidence.b.label} {variants[1]}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(entry, layer.step, layer.phase, layer.key, error, detail)


def channels_into(evidence: Evidence, name: str) -> int:
    """Return the number of channels that go into the layer of a weight, 0 where that is not known."""
    key = name.rpartition(".")[0]
    call = evidence.a.calls["inference"].get(key)
    if call is None or not call.inputs:
        return 0
    x = evidence.side(evidence.a, None, "inference", key).inputs[0]
    return x.shape[1] if x.ndim == 4 else x.shape[-1]


def used_variant(
    evidence: Evidence, layer: Layer, side: Side, read: Callable[[np.ndarray, int], Variants]
) -> str | None:
    """Return the variant of its weight with which a side computed its first sample."""
    if not side.inputs or "weight" not in side.weights:
        return None
    x, y, weight = side.inputs[0][:1], side.output[:1], side.weights["weight"]
    bias = side.weights.get("bias", np.zeros(len(weight)))
    if weight.ndim == 2 and x.shape[-1] == weight.shape[1]:
        variants = read(weight, x.shape[-1])
        fits = (name for name, w in variants.items() if evidence.same(x @ w.T + bias, y))
    elif weight.ndim == x.ndim == y.ndim == 4 and len(weight) == y.shape[1] and not x.shape[1] % weight.shape[1]:
        variants = read(weight, x.shape[1])
        fits = fitting_kernels(evidence, x, y - bias[:, None, None], variants)
    else:
        return None
    return next(fits, None) if len(variants) > 1 else None


def fitting_kernels(evidence: Evidence, x: np.ndarray, y: np.ndarray, variants: Variants) -> Iterator[str]:
    """Yield the variants that give some outputs of a convolution of one image, with any padding that fits."""
    weight = variants[AS_NAMED]
    if len(weight) % (x.shape[1] // weight.shape[1]):
        return
    rows, columns = np.linspace(0, 1, PLACES), np.modf(np.arange(PLACES) * 0.618)[0]  # spread over the image
    at = (rows * (y.shape[2] - 1)).astype(int), (columns * y.shape[3]).astype(int)
    places = list(product(*(placements(x.shape[axis], weight.shape[axis], y.shape[axis]) for axis in (2, 3))))
    for name, variant in variants.items():
        for (down, top, bottom), (right, before, after) in places:
            around = padded(x, (top, bottom, before, after), 0.0)
            patches = windows(around, weight.shape[2:], (down, right))[0][:, at[0], at[1]]  # C, places, h, w
            if evidence.same(grouped_product(patches, variant), y[0][:, at[0], at[1]]):
                yield name


def placements(side: int, window: int, output: int) -> list[tuple[int, int, int]]:
    """Return stride and padding that may have given an output; with one place only, the stride does not matter."""
    places = paddings(side, window, output).values()
    return list(places) if output > 1 else list({place[1:]: place for place in places}.values())


def grouped_product(patches: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the outputs (O, places) of patches (C, places, h, w) and a kernel (O, C / groups, h, w)."""
    groups, places = len(patches) // weight.shape[1], patches.shape[1]
    inputs = patches.reshape(groups, -1, places, *weight.shape[2:]).swapaxes(1, 2).reshape(groups, places, -1)
    kernels = weight.reshape(groups, len(weight) // groups, -1)
    return (kernels @ inputs.swapaxes(1, 2)).reshape(len(weight), places)


ENTRY = Entry(
    name="kernel-layout",
    title="The axes of a kernel",
    torch="Conv2d.weight is (out, in, height, width), Linear.weight (out, in)",
    tf="Conv2D's kernel is (height, width, in, out), Dense's (in, out)",
    why="each has its axes in the order of its images: N, C, H, W there, N, H, W, C here",
    shows="a wrong transpose that fits the shape raises no error: square kernels and square dense layers hide it, and "
    "the network gives noise",
    mend_torch="weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()) for a Conv2D's, kernel.T for a Dense's",
    mend_tf="kernel = weight.permute(2, 3, 1, 0).numpy() for a Conv2d's, weight.T for a Linear's",
    probe=probe,
)
