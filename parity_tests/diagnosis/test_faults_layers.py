"""Every fault of a layer, of the data or of the loss is named, where it was planted, and nothing else is named."""

import numpy as np
import pytest

from ft.parity.verdict import Verdict
from parity_tests.support import faults_boxes, faults_data, faults_layers, faults_masks
from parity_tests.support.faults import Fault, diagnosis, examine, pair_of
from parity_tests.support.faults_data import fixed_divisor
from parity_tests.support.faults_layers import RESNET, other_flatten_order, tanh_gelu
from parity_tests.support.small_pair import SMALL

pytestmark = pytest.mark.usefixtures("eager")
FAULTS = (*faults_layers.FAULTS, *faults_data.FAULTS, *faults_masks.FAULTS, *faults_boxes.FAULTS)
QUICK = ("flatten-order", "max-pool-padding", "ignored-pixels")
LIKELY = ("jpeg-decode", "resize-antialias", "mask-bilinear")  # what was decoded or resized is not in a trace


def case_of(fault: Fault):
    """Return a fault as a test's parameter."""
    marks = [] if fault.entry in QUICK else [pytest.mark.slow]
    return pytest.param(fault, marks=marks, id=f"{fault.entry}-{fault.case.model}-{fault.plant.__name__}")


def planted_at(fault: Fault, verdict: Verdict) -> tuple:
    """Return step, phase and name of the first difference; the inference pass sees a fault of the batch before it."""
    images = next((row for row in verdict.rows if row.phase == "batch" and row.differs), None)
    row = images or verdict.first
    assert row is not None, f"{fault.entry}: nothing differs"
    return row.step, row.phase, row.name


@pytest.mark.parametrize("fault", [case_of(fault) for fault in FAULTS])
def test_named(fault, tmp_path):
    verdict, findings = diagnosis(fault, tmp_path, seed=0)
    assert [finding.entry for finding in findings] == [fault.entry]
    assert (findings[0].step, findings[0].phase, findings[0].name) == planted_at(fault, verdict)
    assert findings[0].certain == (fault.entry not in LIKELY)


@pytest.mark.parametrize("case", [SMALL, pytest.param(RESNET, marks=pytest.mark.slow)], ids=str)
def test_nothing_planted_nothing_found(case, tmp_path):
    verdict, findings = examine(pair_of(case, seed=0), tmp_path, seed=0, steps=2, size=32)
    assert verdict.first is None
    assert not verdict.unpaired
    assert not findings


def test_three_at_once_are_named_in_their_order(tmp_path):
    pair, rng = pair_of(SMALL, seed=0), np.random.default_rng(0)
    with other_flatten_order(pair, rng), tanh_gelu(pair, rng), fixed_divisor(pair, rng) as feed:
        _, findings = examine(pair, tmp_path, seed=0, steps=1, size=32, feed=feed)
    assert [finding.entry for finding in findings] == ["gelu-tanh", "flatten-order", "loss-mean"]
