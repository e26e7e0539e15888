"""Have the operations of both models recorded, and look for those that differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend.forms import whole_of
from ft.backend.operations import Graph
from ft.parity.arrays import BARS
from ft.parity.evidence import Finding
from ft.parity.finding_id import UNKNOWN
from ft.parity.foreign.assignment import FORCED, OPERATIONS
from ft.parity.foreign.coverage import Share, shares_compared
from ft.parity.foreign.difference import Difference, differences
from ft.parity.foreign.explain import explained, stopped
from ft.parity.foreign.forcing import Search
from ft.parity.foreign.pairing import Pairing
from ft.parity.foreign.picture import Picture, picture
from ft.parity.foreign.process import ModelProcess, ask
from ft.parity.foreign.sides import file_of
from ft.parity.trace import Trace
from ft.parity.verdict import SETTINGS, Row, compare_traces
from ft.weights import read_safetensors, write_safetensors

LARGE = 10.0  # times the inputs, for limits that the first ones do not reach
FINER = (0.1, 0.001)  # of what counts as the same function: how near values must be to be the same


class Passes:
    """Has passes of models recorded, by the side's name; parameters come with those that nothing was forced in."""

    def __init__(self, sides: Mapping[str, ModelProcess], folder: Path, dtype: str) -> None:
        self.sides, self.folder, self.dtype = sides, folder, dtype
        self.parameters: dict[str, dict[int, np.ndarray]] = {}

    def one(self, name: str, forced: Mapping[int, np.ndarray], amplitude: float = 1.0) -> Graph:
        """Return a pass of one model. forced: other outputs of some operations; amplitude: of the inputs."""
        if forced:
            write_safetensors(self.folder / FORCED, {str(number): x for number, x in forced.items()}, {})
        request = {"do": "operations", "forced": bool(forced), "dtype": self.dtype, "amplitude": amplitude}
        return self.read(name, ask({name: self.sides[name]}, {name: request})[name], again=not forced)

    def both(self) -> list[Graph]:
        """Return a pass of each model, run at once."""
        request = {"do": "operations", "forced": False, "dtype": self.dtype, "amplitude": 1.0}
        answers = ask(self.sides, dict.fromkeys(self.sides, request))
        return [self.read(name, answer, again=True) for name, answer in answers.items()]

    def read(self, name: str, answer: Mapping[str, Any], *, again: bool) -> Graph:
        """Return what a model's process has written."""
        graph = Graph.from_dict(answer, read_safetensors(self.folder / OPERATIONS.format(file_of(name))))
        if again:
            leaves = graph.leaves.items()
            self.parameters[name] = {n: graph.arrays[n] for n, leaf in leaves if leaf.startswith("parameter ")}
        graph.arrays |= self.parameters[name]
        return graph

    def clear(self) -> None:
        """Remove the files."""
        for file in (FORCED, *(OPERATIONS.format(file_of(name)) for name in self.sides)):
            (self.folder / file).unlink(missing_ok=True)


def diagnose_operations(
    passes: Passes, pairing: Pairing, dtype: str, traces: tuple[Trace, Trace]
) -> tuple[list[Finding], tuple[Share, ...], Picture]:
    """Return the operations that differ, what share of all was compared, and all of them."""
    recorded = passes.one
    names: dict[str, frozenset[str]] = {}
    for pair in pairing.pairs:
        own = whole_of(pair.torch)[0].partition("#")[0]
        names[own] = names.get(own, frozenset()) | {whole_of(pair.keras)[0].partition("#")[0]}
    for tie in pairing.ties:
        own = next(pair for pair in pairing.pairs if pair.torch == tie.common)
        name, theirs = (tie.name, own.keras) if tie.side == 0 else (own.torch, tie.name)
        names[name] = names.get(name, frozenset()) | {theirs.partition("#")[0]}
    one, other = pairing.labels
    tf, verdict = recorded(other, {}), compare_traces(*traces)
    parted = {row.phase for row in verdict.rows if row.differs and (row.phase != "inference" or is_output(row, traces))}
    found: list[Finding] = []
    for finer in FINER:
        close = BARS[dtype]["cause"] * finer
        search = Search(partial(recorded, one), tf, names, close, labels=pairing.labels)
        differing = differences(search)
        found = explained(differing, BARS[dtype]["cause"], pairing.labels)
        if found or "inference" not in parted:
            break
    unnamed = [d for d, finding in zip(differing, found, strict=True) if finding.entry == UNKNOWN]
    if (found and not search.last.parted) or not (found or parted - {"statistics"}):
        known = frozenset(search.forced).union(*({d.number} | d.inside for d in differing))
        further = [d for d in shown_by_large(recorded, search, BARS[dtype]["cause"] / 10) if d.number not in known]
        words = f"; it shows only with {LARGE:g} times as large inputs"
        told = explained(further, BARS[dtype]["cause"], pairing.labels)
        found += [replace(f, phase=SETTINGS, detail=f.detail + words) for f in told]
    if "gradients" in parted:
        alone = not found  # else what is found may be why gradients differ
        found += [replace(f, certain=alone) for f in stopped(search.plain.torch.graph, tf, search)]
    return found, shares_compared(search, unnamed), picture(search)


def shown_by_large(recorded: Callable[..., Graph], search: Search, close: float) -> list[Difference]:
    """Return what differs with larger inputs; what a search has found is in place, and nothing hides behind it."""
    one, other = search.labels
    run, tf = partial(recorded, one, amplitude=LARGE), recorded(other, {}, LARGE)
    further = Search(run, tf, search.names, close, search.partners, search.labels)
    before, now = (search.plain.torch.graph, search.tf.graph), (run({}), tf)
    if search.partners and [graph.steps for graph in before] != [graph.steps for graph in now]:
        return []  # the models took another way
    return differences(further)


def is_output(row: Row, traces: Sequence[Trace]) -> bool:
    """Tell whether a row is of what the model gives."""
    return row.name in traces[0].facts["outputs"]
