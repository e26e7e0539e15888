"""Each fault of faults_boxes is named first, and nothing else is."""

import pytest

from parity_tests.support.faults import Fault, diagnosis
from parity_tests.support.faults_boxes import FAULTS

pytestmark = pytest.mark.usefixtures("eager")
LIKELY = ("nms-per-class",)  # who is under whom is seen, and not why
QUICK = ("focal-divisor",)


def marked(fault: Fault) -> object:
    """Return a parameter of a test; all but one are slow."""
    return pytest.param(fault, id=fault.entry, marks=() if fault.entry in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("fault", [marked(fault) for fault in FAULTS])
def test_named_first(fault, tmp_path):
    verdict, findings = diagnosis(fault, tmp_path, seed=0, size=64)
    assert verdict.first is not None
    assert [finding.entry for finding in findings] == [fault.entry], verdict.first.place
    assert findings[0].certain == (fault.entry not in LIKELY)
