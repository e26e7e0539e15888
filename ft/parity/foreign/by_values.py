"""Two models traced, and once more where other pairs of their parameters agree better."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from shutil import rmtree
from types import MappingProxyType

from ft.parity.arrays import BARS
from ft.parity.foreign.ambiguous import Settled, settled
from ft.parity.foreign.couple import Couple
from ft.parity.foreign.forcing import FINER
from ft.parity.foreign.operations import Recorder, is_output
from ft.parity.foreign.pairing import Pair
from ft.parity.foreign.sides import framework_of
from ft.parity.foreign.states import Side, State
from ft.parity.foreign.values import Table, nearest
from ft.parity.trace import Trace
from ft.parity.verdict import compare_traces

BEHIND = 3  # differences behind which other pairs are looked for
Traced = tuple[Couple, dict[str, str], Settled]  # two models, the names of their optimizers, and what was tried


def traced_by_values(couple: Couple, recorder: Recorder) -> Traced:
    """Trace both models, and again with other pairs of parameters where these agree better."""
    optimizers, traces, pairs = couple.trace(), couple.traces(recorder.folder), couple.pairing.pairs
    if results_agree(traces):
        return couple, optimizers, Settled(tuple(pairs))
    tried = settled(partial(passed, couple, recorder), pairs, *couple.models.values())
    if tried.changed:
        return traced_again(couple, recorder, tried)
    if tried.tried:
        couple.adopt()
    return couple, optimizers, tried


def results_agree(traces: tuple[Trace, Trace]) -> bool:
    """Tell whether what two models give in inference is equal."""
    rows = compare_traces(*traces, phases=("inference",)).rows
    return not any(row.differs for row in rows if is_output(row, traces))


def traced_behind(couple: Couple, recorder: Recorder, partners: Mapping[int, int]) -> Traced | None:
    """Trace both models again with pairs that agree better behind what differs; None where there are none.

    partners: the operations that differ, in order, each with the other side's tensor that is put in its place.
    """
    places, pairs = list(partners.items()), couple.pairing.pairs
    for known in range(1, min(len(places) - 1, BEHIND) + 1):  # the last one hides nothing
        record = partial(passed, couple, recorder, partners=dict(places[:known]))
        tried = settled(record, pairs, *couple.models.values())
        if tried.changed:
            return traced_again(couple, recorder, replace(tried, agrees=False))
        if tried.tried:
            couple.adopt()
    return None


def traced_again(couple: Couple, recorder: Recorder, tried: Settled) -> Traced:
    """Trace both models once more, with other pairs."""
    couple = couple.with_pairs(tried.pairs)
    for each in couple.traces(recorder.folder):
        rmtree(each.folder)
    couple.rebuild()  # they have been trained
    return couple, couple.trace(), tried


def passed(
    couple: Couple, recorder: Recorder, pairs: Sequence[Pair], partners: Mapping[int, int] = MappingProxyType({})
) -> State:
    """Return a pass of both models with some pairs of parameters. partners: see `traced_behind`."""
    couple.with_pairs(pairs).adopt()
    graphs, (label, second) = recorder.both(), couple.pairing.labels
    outputs = {number: graphs[0].arrays[graphs[0].operations[number].outputs[0]] for number in partners}
    moved = framework_of(label) != framework_of(second)
    values = {n: nearest(graphs[1].arrays[partners[n]], x, moved=moved) for n, x in outputs.items()}
    if forced := {n: x for n, x in values.items() if x is not None}:
        graphs[0] = recorder.record(label, forced)
    one, other = map(Side, graphs)
    close = BARS[recorder.dtype]["cause"] * FINER[0]
    return State(one, other, Table({i: x for i, x in other.graph.arrays.items() if i in other.moving}, close), (), {})
