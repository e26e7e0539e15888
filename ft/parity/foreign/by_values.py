"""Two models traced, and once more where other pairs of their parameters agree better."""

from collections.abc import Sequence
from functools import partial
from shutil import rmtree

from ft.parity.arrays import BARS
from ft.parity.foreign.ambiguous import Settled, settled
from ft.parity.foreign.couple import Couple
from ft.parity.foreign.operations import FINER, Recorder, is_output
from ft.parity.foreign.pairing import Pair
from ft.parity.foreign.states import Side, State
from ft.parity.foreign.values import Table
from ft.parity.trace import Trace
from ft.parity.verdict import compare_traces


def traced_by_values(couple: Couple, recorder: Recorder) -> tuple[Couple, dict[str, str], Settled]:
    """Trace both models, and again with other pairs of parameters where these agree better.

    Return the two with these pairs, the names of their optimizers, and what was tried.
    """
    optimizers, traces, pairs = couple.trace(), couple.traces(recorder.folder), couple.pairing.pairs
    if results_agree(traces):
        return couple, optimizers, Settled(tuple(pairs))
    tried = settled(partial(passed, couple, recorder), pairs, *couple.models.values())
    if tried.changed:
        couple = couple.with_pairs(tried.pairs)
        for each in traces:
            rmtree(each.folder)
        couple.rebuild()  # they have been trained
        return couple, couple.trace(), tried
    if tried.tried:
        couple.adopt()
    return couple, optimizers, tried


def results_agree(traces: tuple[Trace, Trace]) -> bool:
    """Tell whether what two models give in inference is equal."""
    rows = compare_traces(*traces).rows
    return not any(row.differs for row in rows if row.phase == "inference" and is_output(row, traces))


def passed(couple: Couple, recorder: Recorder, pairs: Sequence[Pair]) -> State:
    """Return a pass of both models with some pairs of parameters."""
    couple.with_pairs(pairs).adopt()
    one, other = (Side(graph) for graph in recorder.both())
    close = BARS[recorder.dtype]["cause"] * FINER[0]
    return State(one, other, Table({i: x for i, x in other.graph.arrays.items() if i in other.moving}, close), {}, {})
