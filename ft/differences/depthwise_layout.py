"""Which output channel a filter of a depthwise or grouped convolution makes: i * M + m, or m * I + i."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.differences.kernel_layout import AS_NAMED, Variants, misread
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether the filters of a grouped convolution are counted by group first, or by filter first."""
    yield from misread(evidence, ENTRY.name, channels_counted)


def channels_counted(weight: np.ndarray, channels: int) -> Variants:
    """Return a grouped kernel (O, I / groups, h, w) with its output channels counted in the other way, both ways."""
    if weight.ndim != 4 or not channels or channels % weight.shape[1]:
        return {AS_NAMED: weight}
    groups = channels // weight.shape[1]
    each = len(weight) // groups
    if groups < 2 or each < 2 or each * groups != len(weight):
        return {AS_NAMED: weight}
    return {
        AS_NAMED: weight,
        "channel i * M + m counted as m * I + i": regrouped(weight, groups, each),
        "channel m * I + i counted as i * M + m": regrouped(weight, each, groups),
    }


def regrouped(weight: np.ndarray, outer: int, inner: int) -> np.ndarray:
    """Return a kernel whose output channels are counted with `inner` before `outer`."""
    return weight.reshape(outer, inner, *weight.shape[1:]).swapaxes(0, 1).reshape(weight.shape)


ENTRY = Entry(
    name="depthwise-layout",
    title="The output channels of a depthwise convolution with a multiplier",
    torch="Conv2d(I, I * M, groups=I): weight (I * M, 1, H, W), filter m of input channel i is output i * M + m",
    tf="DepthwiseConv2D(depth_multiplier=M): kernel (H, W, I, M), output i * M + m as well, but the axes I and M stand "
    "side by side, and a transpose to (M, I, H, W) puts it at m * I + i",
    why="PyTorch knows groups and one axis of outputs, Keras a multiplier and two axes",
    shows="nothing at M = 1; else every shape fits and the channels are shuffled",
    mend_torch="weight = kernel.transpose(2, 3, 0, 1).reshape(I * M, 1, H, W), with kernel as Keras has it",
    mend_tf="kernel = weight.reshape(I, M, H, W).transpose(2, 3, 0, 1), with weight as PyTorch has it",
    probe=probe,
)
