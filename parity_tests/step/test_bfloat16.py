"""bfloat16: the wings agree to its rounding, neither is rougher than the other, and what is kept is float32.

It has 8 bits of mantissa, so one rounding is up to 2e-3 and a network of 20 layers adds up to about 1e-2.
"""

import numpy as np
import pytest
import tensorflow as tf

from ft.parity.arrays import gap
from parity_tests.support.pairs import Case, batch, learners

CASE = Case("resnet18", "stem,layer1")
LOGITS, LOSS, ROUGHER = 0.02, 0.01, 2.0


@pytest.fixture(scope="module")
def results():
    """Give logits, loss, logits and gradients of a training step by precision and wing; and the pair in bfloat16."""
    by_wing, start, pair = {}, None, {}
    tf.config.run_functions_eagerly(True)  # tracing a network takes longer than a step
    for precision in ("float32", "bfloat16"):
        pair = learners(CASE, precision=precision, tensors=start)
        start = start or pair["torch"].get_weights()
        given = batch(0, dtype="float32")
        for name, learner in pair.items():
            loss, outputs, gradients = learner.gradients(given, step=0)
            by_wing[precision, name] = learner.outputs(given.inputs)["logits"], loss, outputs["logits"], gradients
    yield by_wing, pair
    tf.config.run_functions_eagerly(False)


def difference(a, b):
    """Return the largest difference, relative to the largest magnitude."""
    return gap(a, b).relative


def test_the_wings_agree_to_its_rounding(results):
    by_wing, _ = results
    a, b = by_wing["bfloat16", "torch"], by_wing["bfloat16", "tf"]
    assert difference(a[0], b[0]) < LOGITS
    assert abs(a[1] - b[1]) < LOSS * abs(b[1])
    assert difference(a[2], b[2]) < 2 * LOGITS  # BatchNorm in training mode spreads a sample's rounding


def test_neither_wing_is_rougher(results):
    by_wing, _ = results
    far = {}
    for name in ("torch", "tf"):
        rough, fine = by_wing["bfloat16", name][3], by_wing["float32", name][3]
        far[name] = np.sqrt(sum(np.square(rough[key] - fine[key]).sum() for key in fine))
        assert far[name] > 1e-3 * np.sqrt(sum(np.square(g).sum() for g in fine.values()))  # it does round
    assert 1 / ROUGHER < far["torch"] / far["tf"] < ROUGHER


def test_what_is_kept_is_float32(results):
    given = batch(0, dtype="float32")
    for learner in results[1].values():
        learner.step(given, step=0, lr=np.float64(1e-7))  # an update that bfloat16 weights could not hold
        before = learner.get_weights()
        learner.step(given, step=1, lr=np.float64(1e-7))
        after = learner.get_weights()
        assert {x.dtype.name for x in after.values()} == {"float32", "int64"}
        assert {x.dtype.name for x in learner.get_slots().values()} == {"float32"}
        assert (before["layer4.0.conv1.weight"] != after["layer4.0.conv1.weight"]).mean() > 0.1
        assert {x.dtype.name for x in [learner.outputs(given.inputs)["logits"]]} == {"float32"}
