"""Frozen stages that run ahead of the rest: the same network, compiled or folded; never where they still move."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.ahead import ahead, apart_and_whole, farthest, require_bfloat16
from tests.wings.installed import in_each_framework

STAGES = "stem,layer1,layer2"


@in_each_framework
def test_compiled_and_folded_it_is_the_same_network(make_learner, batch):
    whole, apart, said = apart_and_whole(make_learner, "float64")
    a, b = whole.gradients(batch, step=0), apart.gradients(batch, step=0)
    assert apart.prefix.compiled is not None, said
    assert farthest(b[2], a[2]) <= 1e-11
    logits = whole.outputs(batch.inputs)["logits"]
    np.testing.assert_allclose(apart.outputs(batch.inputs)["logits"], logits, atol=1e-13 * np.abs(logits).max(), rtol=0)
    short = batch.inputs[:2]  # a short batch runs uncompiled
    np.testing.assert_allclose(apart.outputs(short)["logits"], logits[:2], atol=1e-13 * np.abs(logits).max(), rtol=0)
    assert re.fullmatch(r"compile: stem compiled in \d+ s", " ".join(said))


@in_each_framework
@pytest.mark.usefixtures("eager")
def test_only_folded_it_is_the_same_network(make_learner, batch):
    whole, apart, said = apart_and_whole(make_learner, "float64", compiled=False)
    a, b = whole.gradients(batch, step=0), apart.gradients(batch, step=0)
    assert 0 < farthest(b[2], a[2]) <= 1e-11
    logits = whole.outputs(batch.inputs)["logits"]
    np.testing.assert_allclose(apart.outputs(batch.inputs)["logits"], logits, atol=1e-13 * np.abs(logits).max(), rtol=0)
    assert (apart.prefix.compiled, said) == (None, [])


@in_each_framework
@pytest.mark.parametrize("compiled", [False, True])
def test_in_bfloat16_it_computes_so(make_learner, batch, compiled):
    require_bfloat16(make_learner, batch.inputs, compiled)


@in_each_framework
@pytest.mark.slow
def test_in_float32_it_rounds_otherwise(make_learner, batch):
    """In the quietest of five batches: a ReLU that flips moves single gradients by a percent."""
    whole, apart, said = apart_and_whole(make_learner, "float32")
    rng, distances = np.random.default_rng(0), []
    for _ in range(5):
        images = rng.normal(size=batch.inputs.shape).astype(np.float32)
        distances.append(farthest(*(x.gradients(replace(batch, inputs=images), step=0)[2] for x in (apart, whole))))
    assert apart.prefix.compiled is not None, said
    assert min(distances) <= 5e-5
    logits = whole.outputs(images)["logits"]
    np.testing.assert_allclose(apart.outputs(images)["logits"], logits, atol=2e-5 * np.abs(logits).max(), rtol=0)


@in_each_framework
@pytest.mark.parametrize("fields", [{"bn": "update"}, {"freeze": "layer1,layer2"}, {"freeze": "none"}])
def test_what_moves_does_not_run_ahead(make_learner, fields):
    learner = make_learner(**{"freeze": STAGES, **fields})
    said = ahead(learner)
    assert learner.prefix is None
    assert "runs as one" in said[0]
