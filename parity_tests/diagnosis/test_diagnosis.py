"""The diagnosis as a whole: faults drawn anew are named right, two at once both, an unknown one not at all."""

import os
import shutil
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import pytest

from ft.differences import ENTRIES
from ft.parity.trace import Trace
from ft.report.comparison import make_report, render_text
from parity_tests.support import faults_boxes, faults_data, faults_layers, faults_masks, faults_training
from parity_tests.support.faults import Fault, diagnosis, examine, pair_of
from parity_tests.support.faults_training import RESNET
from parity_tests.support.small_pair import SMALL

pytestmark = pytest.mark.usefixtures("eager")
OF_DATA = [*faults_data.FAULTS, *faults_masks.FAULTS, *faults_boxes.FAULTS]
FAULTS = [*faults_training.FAULTS, *faults_layers.FAULTS, *OF_DATA]
TAUGHT_ONLY = {
    "grouped-convolution",  # its numbers are equal, its speed is not
    *("nms-float64", "roi-align", "roi-align-aligned", "top-k-ties"),  # what a detector decides inside
    "mask-paste",  # behind a network
    "coco-eps",  # named as batchnorm-eps
    *("autoshard", "mean-of-means", "repeated-samples", "synchronised-batchnorm"),  # a trace is of one process
    *("last-token", "tied-weights", "tokenizer-padding"),  # what texts are made of, or what is one tensor
}
NAMED_RIGHT = 0.95


@pytest.fixture
def seeds(request, say):
    """Return three seeds, drawn from FT_SEED or from the clock; the command that draws them again is printed."""
    first = int(os.environ.get("FT_SEED") or time.time())
    say(f"seeds drawn from {first}; to repeat: FT_SEED={first} pytest '{request.node.nodeid}'")
    return np.random.default_rng(first).integers(10**6, size=3).tolist()


def test_every_entry_has_a_fault():
    assert {fault.entry for fault in FAULTS} == ENTRIES.keys() - TAUGHT_ONLY


@pytest.mark.slow
def test_confusion_matrix(seeds, tmp_path, say):
    """Plant every fault at places drawn from three fresh seeds."""
    named: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        for i, fault in enumerate(FAULTS):
            verdict, findings = diagnosis(fault, tmp_path / str(i), seed=seed)
            shutil.rmtree(tmp_path / str(i))  # a gigabyte each
            assert verdict.first is not None, f"{fault.entry} with seed {seed} was reported as equal"
            named[fault.entry, findings[0].entry if findings else "-"] += 1
    right = sum(count for (planted, told), count in named.items() if planted == told)
    rows = [
        f"    {planted:26} named {told:26} {count}{'' if planted == told else '   WRONG'}"
        for (planted, told), count in sorted(named.items())
    ]
    say("\n".join([f"diagnosis, seeds {seeds}: {right} of {named.total()} named right", *rows]))
    assert right >= NAMED_RIGHT * named.total()


@pytest.mark.slow
@pytest.mark.parametrize("case", [RESNET, SMALL], ids=str)
def test_no_false_alarm(case, seeds, tmp_path):
    for seed in seeds:
        pair = pair_of(case, seed=seed)
        verdict, findings = examine(pair, tmp_path / str(seed), seed=seed, steps=2, size=32)
        assert verdict.first is None, seed
        assert findings == []


def fault_of(entry: str, case) -> Fault:
    """Return the fault of an entry in a case."""
    return next(fault for fault in FAULTS if fault.entry == entry and fault.case == case)


@pytest.mark.parametrize(
    ("entries", "case"),
    [
        (("max-pool-padding", "label-smoothing"), SMALL),
        pytest.param(("padding", "batchnorm-variance", "learning-rate-float32"), RESNET, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_faults_at_once_are_named_in_their_order(entries, case, tmp_path):
    faults = [fault_of(entry, case) for entry in entries]

    @contextmanager
    def plant(pair, rng):
        with ExitStack() as stack:
            for fault in faults:
                stack.enter_context(fault.plant(pair, rng))
            yield

    steps = max(fault.steps for fault in faults)  # momentum that is rounded shows from the second on
    _, findings = diagnosis(Fault(entries[0], case, plant, steps=steps), tmp_path, seed=0)
    assert [finding.entry for finding in findings] == list(entries)


def test_an_unknown_fault_is_placed_and_not_named(tmp_path):
    from ft_tf.layers import Conv2d

    call, place = Conv2d.call, "layer2.0.conv2"

    def strange(self, x):
        y = call(self, x)
        return y + 1e-3 * y**2 if self.name == place else y

    with patch.object(Conv2d, "call", strange):
        verdict, findings = examine(pair_of(RESNET, seed=0), tmp_path, seed=0, steps=1, size=32)
    assert (verdict.first.step, verdict.first.name) == (None, place)
    assert findings == []
    report = make_report(Trace(tmp_path / "torch"), Trace(tmp_path / "tf"), verdict, findings)
    assert not report.explained
    assert "not in the catalogue" in render_text(report)
    assert np.isfinite(verdict.first.relative)
