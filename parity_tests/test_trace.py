"""Both wings record the same layer calls under the same keys, in every network, in inference and in training."""

import numpy as np
import pytest

from ft import backend
from ft.verdict import compare_arrays
from parity_tests.figures import case_of, images_of
from parity_tests.pairs import FORWARD, learners
from parity_tests.test_zoo import cases

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.slow]


@pytest.mark.parametrize("card", cases())
def test_same_calls(card):
    pair, (images, labels) = learners(case_of(card)), images_of(card)
    found = {}
    for name, learner in pair.items():
        with backend.load(name).recording(learner.model) as inference:
            learner.logits(images[:2])
        with backend.load(name).recording(learner.model) as training:
            learner.gradients(images[:2], labels[:2], step=0)
        found[name] = inference, training.calls.keys()
    (torch, torch_training), (tf, tf_training) = found.values()
    assert sorted(torch.calls) == sorted(tf.calls)
    assert sorted(torch_training) == sorted(tf_training)
    for key in torch.calls:
        row, _ = compare_arrays(None, "inference", key, torch.arrays[key], tf.arrays[key], FORWARD)
        assert not row.differs, row
    assert np.isfinite(torch.arrays[list(torch.calls)[-1]]).all()
