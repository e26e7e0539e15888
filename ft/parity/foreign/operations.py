"""Have the operations of both models recorded, and look for those that differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend.forms import whole_of
from ft.backend.operations import LOCAL, Graph
from ft.parity.arrays import BARS
from ft.parity.evidence import Finding
from ft.parity.families.same import VAST
from ft.parity.finding_id import UNKNOWN
from ft.parity.foreign.assignment import FORCED, OPERATIONS
from ft.parity.foreign.coverage import Share, shares_compared
from ft.parity.foreign.difference import Difference, differences, listed
from ft.parity.foreign.explain import explained, stopped
from ft.parity.foreign.forcing import FINER, Search
from ft.parity.foreign.pairing import Pairing
from ft.parity.foreign.peeling import peeled
from ft.parity.foreign.picture import Picture, picture
from ft.parity.foreign.process import ModelProcess, ask
from ft.parity.foreign.sides import file_of
from ft.parity.foreign.wiring import rewired
from ft.parity.trace import Trace
from ft.parity.verdict import SETTINGS, Row, Verdict
from ft.weights import read_safetensors, write_safetensors

LARGE, SMALL = 10.0, 1e-3  # how large inputs are made, for limits that the first ones do not reach; no smaller ones
# what differs with all inputs or with none, so that larger ones show nothing new of it
LINEAR = ("convolution", "transposed convolution", "resize", "rotation", "product")
Forced = Mapping[int, np.ndarray]


class Recorder:
    """Has the operations of either model recorded, with numbers put in place of what some of them give.

    base: the arrays of each side's last whole pass: of a later one a side writes only those that are others.
    """

    def __init__(self, sides: Mapping[str, ModelProcess], folder: Path, dtype: str) -> None:
        self.sides, self.folder, self.dtype = sides, folder, dtype
        self.base: dict[str, dict[str, np.ndarray]] = {}
        self.amplitudes: dict[str, float] = {}

    def record(self, name: str, forced: Mapping[int, np.ndarray], amplitude: float = 1.0) -> Graph:
        """Return the operations of a side. forced: what is put in place, by operation; amplitude: times the inputs."""
        if forced:
            write_safetensors(self.folder / FORCED, {str(number): x for number, x in forced.items()}, {})
        request = self.request(name, forced=bool(forced), amplitude=amplitude)
        return self.read(name, ask({name: self.sides[name]}, {name: request})[name])

    def both(self) -> list[Graph]:
        """Return the operations of both sides, which run at once."""
        requests = {name: self.request(name, forced=False, amplitude=1.0) for name in self.sides}
        return [self.read(name, answer) for name, answer in ask(self.sides, requests).items()]

    def request(self, name: str, *, forced: bool, amplitude: float) -> dict[str, Any]:
        """Return what a side is asked: a pass, written as a whole where the one before it had other inputs."""
        whole = not forced or self.amplitudes.get(name) != amplitude
        self.amplitudes[name] = amplitude
        return {"do": "operations", "forced": forced, "dtype": self.dtype, "amplitude": amplitude, "whole": whole}

    def read(self, name: str, answer: Mapping[str, Any]) -> Graph:
        """Return what a side's process has written, with what it has written before and is still so."""
        written = read_safetensors(self.folder / OPERATIONS.format(file_of(name)))
        before = self.base.get(name, {})
        arrays = written | {number: before[number] for number in answer["as_before"]}
        if answer["whole"]:
            self.base[name] = {number: x for number, x in arrays.items() if not number.startswith(LOCAL)}
        return Graph.from_dict(answer, arrays)

    def clear(self) -> None:
        """Remove the files."""
        for file in (FORCED, *(OPERATIONS.format(file_of(name)) for name in self.sides)):
            (self.folder / file).unlink(missing_ok=True)


@dataclass(frozen=True)
class Diagnosis:
    """The operations that differ, what share of all was compared, and all of them.

    partners: those that differ, in order, each with the other side's tensor that stands for what it gives.
    """

    findings: list[Finding]
    shares: tuple[Share, ...]
    picture: Picture
    partners: dict[int, int]


def diagnose_operations(
    recorder: Recorder, pairing: Pairing, traces: tuple[Trace, Trace], verdict: Verdict
) -> Diagnosis:
    """Return the operations that differ."""
    close, parted = BARS[recorder.dtype]["cause"], parted_phases(traces, verdict)
    search, differing = search_operations(recorder, pairing, close, differ="inference" in parted)
    differing, named = named_all(search, differing, close)
    if peeled(search, named):
        differing, named = named_all(search, listed(search), close)
    unnamed = [d for d, finding in zip(differing, named, strict=True) if finding and finding.entry == UNKNOWN]
    findings = [finding for finding in named if finding is not None]
    rest = search.last.parted if findings else parted - {"statistics"}
    if not rest:  # all that differs is explained
        findings += shown_by_large(recorder, search, differing, close)
    if "gradients" in parted:
        alone = not findings  # else what is found may be why gradients differ
        findings += [replace(f, certain=alone) for f in stopped(search.plain.torch.graph, search.tf.graph, search)]
    partners = {d.number: search.partners[d.number] for d in differing if d.number in search.partners}
    return Diagnosis(findings, shares_compared(search, unnamed), picture(search), partners)


def named_all(
    search: Search, differing: Sequence[Difference], close: float
) -> tuple[list[Difference], list[Finding | None]]:
    """Return what is told of some differences, with a name each; None for one that another one explains."""
    kept, findings = told(differing, explained(differing, close, search.labels))
    return kept, rewired(search, kept, findings)


def told(differing: Sequence[Difference], findings: Sequence[Finding]) -> tuple[list[Difference], list[Finding]]:
    """Return what is told: one whose partner has another size may be none, where it has no name and others differ."""
    sure = [d.fits or finding.certain for d, finding in zip(differing, findings, strict=True)]
    if not any(sure):
        return list(differing), list(findings)
    return list(compress(differing, sure)), list(compress(findings, sure))


def parted_phases(traces: tuple[Trace, Trace], verdict: Verdict) -> set[str]:
    """Return the phases in which the traces differ; inference only where what the models give does."""
    rows = [row for row in verdict.rows if row.differs]
    return {row.phase for row in rows if row.phase != "inference" or is_output(row, traces)}


def variables_of(pairing: Pairing) -> dict[str, frozenset[str]]:
    """Return the second side's variables that hold a part of each of the first one's parameters."""
    names = [(pair.torch, pair.keras) for pair in pairing.pairs]
    for tie in pairing.ties:
        pair = next(pair for pair in pairing.pairs if pair.torch == tie.common)
        names.append((tie.name, pair.keras) if tie.side == 0 else (pair.torch, tie.name))
    variables: dict[str, frozenset[str]] = {}
    for own, other in names:
        own, other = (whole_of(name)[0].partition("#")[0] for name in (own, other))
        variables[own] = variables.get(own, frozenset()) | {other}
    return variables


def search_operations(
    recorder: Recorder, pairing: Pairing, close: float, *, differ: bool
) -> tuple[Search, list[Difference]]:
    """Return the operations that differ; values must be nearer to be the same where none does though the models do."""
    one, other = pairing.labels
    tf, variables = recorder.record(other, {}), variables_of(pairing)
    for finer in FINER:
        search = Search(partial(recorder.record, one), tf, variables, close * finer, labels=pairing.labels)
        differing = differences(search)
        if differing or not differ:
            break
    return search, differing


def shown_by_large(recorder: Recorder, search: Search, known: Sequence[Difference], close: float) -> list[Finding]:
    """Return what differs only with larger inputs; what a search has found is in place, and nothing hides behind it.

    Then the layers with parameters in the middle give larger numbers, too: a limit behind a norm is met as well.
    """
    new, larger = differing_by_large(recorder, search, known, close, ({}, {})), enlarged(search)
    if any(larger):
        new += differing_by_large(recorder, search, [*known, *new], close, larger)
    words = "; it shows only with larger inputs"
    findings = (f for f in explained(new, close, search.labels) if f.entry not in LINEAR)
    return [replace(f, phase=SETTINGS, detail=f.detail + words) for f in findings]


def differing_by_large(
    recorder: Recorder, search: Search, known: Sequence[Difference], close: float, larger: tuple[Forced, Forced]
) -> list[Difference]:
    """Return the operations that differ with larger inputs, but those known. larger: what either side's layers give."""
    (one, other), (ours, theirs) = search.labels, larger
    tf = recorder.record(other, theirs, LARGE)

    plain = recorder.record(one, ours, LARGE)

    def run(forced: Forced) -> Graph:
        return recorder.record(one, {**ours, **forced}, LARGE) if forced else plain

    before, now = (search.plain.torch.graph, search.tf.graph), (plain, tf)
    if [graph.steps for graph in before] != [graph.steps for graph in now]:
        return []  # the models took another way
    further = Search(run, tf, search.names, close / 10, search.partners, search.labels, search.last_edges())
    further.orders, further.enlarged = search.orders, {number: search.given(search.last, number) for number in ours}
    numbers = frozenset(search.forced).union(*({difference.number} | difference.inside for difference in known))
    return [difference for difference in differences(further) if difference.number not in numbers]


def enlarged(search: Search) -> tuple[Forced, Forced]:
    """Return larger outputs of the layers with parameters that both sides have, by operation of each."""
    state, graphs = search.last, (search.last.torch.graph, search.tf.graph)
    ours, theirs = {}, {}
    for number in {i for i, _ in state.torch.meeting} - search.forced.keys():
        tensor = graphs[0].operations[number].outputs[0]
        partner = min((i for i in state.same.get(tensor, ()) if i in search.tf.makers), default=None)
        maker = search.tf.makers.get(partner, -1) if partner is not None else -1
        if partner is None or graphs[1].operations[maker].outputs[0] != partner or search.turned(state, tensor):
            continue
        x, y = graphs[0].arrays[tensor], graphs[1].arrays[partner]
        if x.dtype.kind == "f" and np.abs(x).max(initial=0.0) < VAST:
            factor = LARGE / float(np.clip(np.sqrt(np.mean(x**2)), SMALL, 1.0))  # a fresh network's numbers are small
            ours[number], theirs[maker] = factor * x, factor * y
    return ours, theirs


def is_output(row: Row, traces: Sequence[Trace]) -> bool:
    """Tell whether a row is of what the model gives."""
    return row.name in traces[0].facts["outputs"]
