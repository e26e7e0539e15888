"""An intermediate result, or what goes into one, rounded to a shorter type than the network's."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ft.differences.entry import Entry
from ft.differences.padding import padded_layers
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.trace import Trace
from ft.parity.verdict import Row

TYPES = {8: "bfloat16", 11: "TF32 or float16", 24: "float32"}  # bits of a number's significand
WIDTHS = {"float64": (8, 11, 24), "float32": (8, 11)}  # what is shorter than a trace's own type
COMPUTES = ("conv", "linear", "batchnorm", "layernorm", "avgpool", "mean", "add", "mul")  # others may pass numbers on
# not gradients and what is made of them: where terms cancel, what is left has few bits by its nature
PHASES = ("weights", "batch", "inference", "forward", "statistics", "loss")
GIVEN = ("weights", "batch")  # no layer gave these: they must be the other side's, rounded
SAMPLE = 256  # numbers that are looked at first
DISTINCT = 8  # an array with fewer distinct significands may be short by its nature: zeros, ones, masks, counts


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Look for arrays of which every number fits a shorter type on one side only, then for layers fed with such."""
    for row in evidence.verdict.rows:
        if row.differs and row.phase in PHASES and (words := rounded_result(evidence, row)):
            if not resizes(evidence, row):  # an entry of its own
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)
            break
    for layer in (*evidence.layers("conv"), *evidence.layers("linear")):
        if words := rounded_operands(evidence, layer):
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, words)
            break


def resizes(evidence: Evidence, row: Row) -> bool:
    """Tell whether a row is what a layer makes of a map by resizing it."""
    call = evidence.a.calls[row.phase].get(row.name) if row.phase in evidence.a.calls else None
    return call is not None and call.kind == "interpolate"


def rounded_result(evidence: Evidence, row: Row) -> str | None:
    """Return in words which side has rounded an array, None unless exactly one has."""
    x, y = (trace.arrays(row.step, row.phase)[row.name] for trace in evidence.traces)
    bits_x, bits_y = (width(array, WIDTHS[evidence.a.dtype]) for array in (x, y))
    bits, trace = (bits_x, evidence.a) if bits_x else (bits_y, evidence.b)
    if bits is None or (bits_x and bits_y) or passed_on(evidence, trace, row, bits):
        return None
    if row.phase in GIVEN and (x.shape != y.shape or distance(x, y) > 2.0**-bits):
        return None
    return f"in {trace.label} every number has the {bits} bits of {TYPES[bits]}"


def passed_on(evidence: Evidence, trace: Trace, row: Row, bits: int) -> bool:
    """Tell whether an array is the output of a layer that may have rounded nothing, for its inputs were short."""
    call = trace.calls[row.phase].get(row.name) if row.phase in trace.calls else None
    if call is None or call.kind in COMPUTES:
        return False
    return all(width(x, (bits,)) for x in evidence.side(trace, row.step, row.phase, row.name).inputs)


def width(x: np.ndarray, widths: tuple[int, ...]) -> int | None:
    """Return the first of these numbers of bits that holds every significand of x, None where none does."""
    if x.dtype.kind != "f" or not np.isfinite(x).all():
        return None
    few = x.ravel()[:: max(x.size // SAMPLE, 1)]
    distinct = np.unique(np.frexp(few)[0]).size
    for bits in widths:
        if np.array_equal(few, shortened(few, bits)):
            plain = distinct < (DISTINCT if x.size > 1 or bits < max(widths) else 1)
            return None if plain or not np.array_equal(x, shortened(x, bits)) else bits
    return None


def shortened(x: np.ndarray, bits: int) -> np.ndarray:
    """Return x with each significand rounded to so many bits, half to even; exponents are not limited."""
    significand, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(significand, bits)), exponent - bits)


def rounded_operands(evidence: Evidence, layer: Layer) -> str | None:
    """Return in words which side rounds the input and the weights of a layer that multiplies, None unless one does."""
    if any("weight" not in side.weights or not side.inputs for side in layer.sides):
        return None
    ways = {"": product_with} if layer.a.weights["weight"].ndim == 2 else padded_layers(layer, layer.a)
    for compute in ways.values():
        exact = [evidence.same(compute(side), side.output[:1]) for side in layer.sides]
        if any(exact) and not all(exact):
            side, trace = layer.sides[exact.index(False)], evidence.traces[exact.index(False)]
            for bits in WIDTHS[trace.dtype]:
                if evidence.same(compute(with_short_operands(side, bits)), side.output[:1]):
                    return f"{trace.label} rounds input and weights to the {bits} bits of {TYPES[bits]}"
        if any(exact):
            return None
    return None


def with_short_operands(side: Side, bits: int) -> Side:
    """Return a side with its first image and its weights rounded, the bias left as it is."""
    x, weights = shortened(side.inputs[0][:1], bits), side.weights
    return replace(side, inputs=(x,), weights={**weights, "weight": shortened(weights["weight"], bits)})


def product_with(side: Side) -> np.ndarray:
    """Return what a linear layer gives of its first row; heads, which one side may have as axes, count as channels."""
    x, weight = side.inputs[0][:1], side.weights["weight"]
    while x.shape[-1] < weight.shape[1] and x.ndim > 2:
        x = x.reshape(*x.shape[:-2], -1)
    if x.shape[-1] != weight.shape[1]:
        return np.full(1, np.nan)
    y = x @ weight.T + side.weights.get("bias", 0.0)
    return y.reshape(side.output[:1].shape) if y.size == side.output[:1].size else y


ENTRY = Entry(
    name="precision",
    title="An intermediate in a shorter type",
    torch="autocast computes convolutions and products in bfloat16 or float16; on a GPU convolutions round their "
    "float32 operands to TF32, 11 bits, unless torch.backends.cudnn.allow_tf32 = False",
    tf="a mixed policy computes layers in bfloat16 or float16; on a GPU products and convolutions use TF32 unless it "
    "is switched off; a layer that was made before set_dtype_policy stays float32 inside a float64 network",
    why="shorter types are many times faster and mostly good enough, so both frameworks take them without a word",
    shows="outputs are off from one layer on, by 6e-8 of their size (float32), 5e-4 (TF32, float16) or 4e-3 (bfloat16)",
    mend_torch="model.double(), or no autocast and torch.backends.cudnn.allow_tf32 = False",
    mend_tf='keras.config.set_dtype_policy("float64") before the first layer is made, or '
    "tf.config.experimental.enable_tensor_float_32_execution(False)",
    probe=probe,
)
