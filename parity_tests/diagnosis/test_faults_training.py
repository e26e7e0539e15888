"""Each fault of faults_training is named first, for certain where that can be, at the place where it was planted."""

import pytest

from ft.differences import ENTRIES
from parity_tests.support.faults import Fault, diagnosis, examine, pair_of
from parity_tests.support.faults_training import FAULTS, RESNET
from parity_tests.support.small_pair import SMALL

pytestmark = pytest.mark.usefixtures("eager")
QUICK = ("batchnorm-eps", "sgd-momentum")
LIKELY = ("chaotic-trajectory",)  # nothing computes it, it can only look so


def marked(fault: Fault) -> object:
    """Return a parameter of a test; all but the two quickest are slow."""
    quick = fault.entry in QUICK and fault.case.model == SMALL.model
    return pytest.param(fault, id=f"{fault.entry}-{fault.case.model}", marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize("fault", [marked(fault) for fault in FAULTS])
def test_named_first(fault, tmp_path):
    verdict, findings = diagnosis(fault, tmp_path, seed=0)
    assert verdict.first is not None
    assert findings, verdict.first.place
    first = findings[0]
    assert (first.entry, first.certain) == (fault.entry, fault.entry not in LIKELY)
    assert (first.step, first.phase, first.name) == (verdict.first.step, verdict.first.phase, verdict.first.name)


@pytest.mark.slow
@pytest.mark.parametrize("case", [RESNET, SMALL], ids=str)
def test_nothing_planted_nothing_found(case, tmp_path):
    verdict, findings = examine(pair_of(case, seed=0), tmp_path, seed=0, steps=2, size=32, rates=(0.001, 0.0005))
    assert verdict.first is None
    assert not findings


def test_every_fault_has_its_entry():
    assert {fault.entry for fault in FAULTS} <= ENTRIES.keys()
