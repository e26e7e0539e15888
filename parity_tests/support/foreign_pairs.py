"""Two strangers compared in this process: the pairs of foreign_models.py, with or without a fault."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import keras

from ft.parity.evidence import Finding
from ft.parity.foreign import process
from ft.parity.foreign.compare import compare_models
from ft.parity.foreign.host import answered, make_host
from ft.parity.verdict import Row
from parity_tests.support import foreign_keras, foreign_torch
from parity_tests.support.foreign_faults import Planted
from parity_tests.support.foreign_models import Model

ALIKE = [  # either name is right
    {"padding", "pooling"},  # of a pooling that pads by hand
    {"combination", "attention"},  # of the scale of scores
]


class InProcess(process.ModelProcess):
    """A side whose model runs in this process: it starts at once."""

    def __init__(self, name, target, assignment, folder):
        self.name, self.target, lines = name, target, []
        host = make_host(name, target, folder, assignment)
        self.send = lambda request: lines.append(json.dumps(request))
        self.process = SimpleNamespace(stdout=SimpleNamespace(readline=lambda: answered(host, lines.pop())))

    def end(self):
        pass


@contextmanager
def in_process() -> Iterator[None]:
    """Run both models in this process, and leave Keras's types as they were."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    try:
        with patch.object(process, "ModelProcess", InProcess):
            yield
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_floatx(before[1])


@dataclass(frozen=True)
class Outcome:
    """What a comparison said: what differs, and why."""

    differing: tuple[Row, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def names(self, fault: Planted) -> bool:
        """Tell whether a fault is named, and where it is."""
        if fault.family == "setting":
            return any(row.phase == "settings" for row in self.differing)
        if fault.family.startswith("batchnorm"):  # in training alone
            return bool(self.differing) and {row.phase for row in self.differing} == {"statistics"}
        return any(right(finding, fault) for finding in self.findings)

    def misleads(self, fault: Planted) -> bool:
        """Tell whether a wrong cause is stated as certain."""
        return any(finding.certain and not right(finding, fault) for finding in self.findings)


def right(finding: Finding, fault: Planted) -> bool:
    """Tell whether a finding is of a fault's family and place; what one side lacks is found beside it."""
    family = finding.entry == fault.family or {finding.entry, fault.family} in ALIKE
    places = [fault.place]
    if fault.words == "lost":
        step = int(fault.place.rpartition(".")[2])
        places += [f"steps.{step - 1}", f"steps.{step + 1}"]
    return family and any(finding.name == place or finding.name.startswith(f"{place}.") for place in places)


def outcome(model: Model, folder: Path, fault: Planted | None = None) -> Outcome:
    """Compare both halves of a model, one of them with a fault."""
    layers = {side: fault.layers if fault and fault.side == side else model.layers for side in ("torch", "tf")}
    module = ModuleType("drawn")
    vars(module)["torch"] = lambda: foreign_torch.Net(layers["torch"], model.rank)
    vars(module)["tf"] = lambda: foreign_keras.Net(layers["tf"], model.rank)
    with patch.dict(sys.modules, {"drawn": module}), in_process():
        result = compare_models(torch="drawn:torch", tf="drawn:tf", inputs=model.inputs, folder=folder, batch_size=4)
        rows = tuple(row for row in result.verdict().rows if row.differs)
    return Outcome(rows, result.findings, result.notes)
