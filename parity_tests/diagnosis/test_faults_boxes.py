"""Each fault of faults_boxes is named first, and nothing else is."""

import pytest

from parity_tests.support.faults import diagnosis
from parity_tests.support.faults_boxes import FAULTS

pytestmark = pytest.mark.usefixtures("eager")
LIKELY = ("nms-per-class",)  # who is under whom is seen, and not why


@pytest.mark.slow  # what each probe computes is tested in tests/ft/parity/test_box_probes.py
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.entry)
def test_named_first(fault, tmp_path):
    verdict, findings = diagnosis(fault, tmp_path, seed=0, size=64)
    assert verdict.first is not None
    assert [finding.entry for finding in findings] == [fault.entry], verdict.first.place
    assert findings[0].certain == (fault.entry not in LIKELY)
