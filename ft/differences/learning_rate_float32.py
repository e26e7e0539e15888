"""Keras keeps the learning rate as a float32 variable, PyTorch as a Python float; so it is with momentum and betas."""

from collections.abc import Iterator
from itertools import chain
from math import sqrt

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import RulePair, adam_pairs, sgd_pairs
from ft.parity.probes.update_rules import SGD, Adam

FITTED = 1e-9  # how well a number is known that is fitted to updates; float32 moves one by up to 6e-8 of itself


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's updates are those of the exact numbers, the other's those of rounded ones."""
    names, rates = (evidence.a.label, evidence.b.label), evidence.a.facts["lr"]
    of_sgd = ((pair.row, rounded_in_sgd(pair, rates[pair.row.step or 0], names)) for pair in sgd_pairs(evidence))
    of_adam = ((pair.row, rounded_in_adam(pair, rates[0], names)) for pair in adam_pairs(evidence))
    for row, words in chain(of_sgd, of_adam):
        if words:
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)
            return


def rounded_in_sgd(pair: RulePair[SGD], rate: float, names: tuple[str, str]) -> str | None:
    """Return in words which number one side has rounded, None where none is."""
    if "rounded" in pair.unlike:
        return f"{names[not pair.a.rounded]} uses {in_float32(rate)!r} where the recipe says {rate!r}"
    momenta = pair.a.momentum, pair.b.momentum
    for i, exact in enumerate(momenta):
        rounded = in_float32(exact)
        if abs(rounded - exact) > FITTED and abs(momenta[1 - i] - rounded) <= FITTED:
            return f"{names[1 - i]} uses the momentum {rounded:.10g} where {names[i]} has {exact:.10g}"
    return None


def rounded_in_adam(pair: RulePair[Adam], rate: float, names: tuple[str, str]) -> str | None:
    """Return in words which numbers one side has rounded, None where none is; betas are taken to be the usual ones."""
    first, second = in_float32(0.9), in_float32(0.999)
    of_rate, of_betas = in_float32(rate) / rate, sqrt((1 - second) / 0.001) * 0.1 / (1 - first)
    numbers = {"the rate": of_rate, "the betas": of_betas, "the rate and the betas": of_rate * of_betas}
    for what, factor in numbers.items():
        for i, ratio in enumerate((pair.a.factor / pair.b.factor, pair.b.factor / pair.a.factor)):
            if abs(factor - 1) > FITTED and abs(ratio - factor) <= FITTED:
                return f"{names[i]} uses {what} rounded to float32"
    return None


def in_float32(x: float) -> float:
    """Return a number rounded to float32."""
    return float(np.float32(x))


ENTRY = Entry(
    name="learning-rate-float32",
    title="The optimizer's numbers: float32 or Python floats",
    torch="keeps lr, momentum and betas as Python floats, which are float64",
    tf="keeps optimizer.learning_rate as a float32 variable, whatever the type of the weights, and rounds momentum "
    "and, in Adam's bias correction, the betas to float32",
    why="a variable can be changed inside a compiled graph, and Keras makes its variables float32; a Python number "
    "becomes a tensor of Keras's default type before it is cast to that of the weights",
    shows="nothing in float32; in float64 all updates are off by the same 5e-8 at lr=0.001, from the second step on by "
    "3e-8 of the buffer more at momentum=0.9; Adam's first update by 7e-6",
    mend_torch="nothing to do; to imitate Keras, pass float(numpy.float32(lr)) and float(numpy.float32(momentum))",
    mend_tf="pass the rate as a float64 tensor to a written update, as ft_tf.optim.SGD does; or take numbers that "
    "float32 holds exactly, lr=2**-10 and momentum=0.875",
    probe=probe,
)
