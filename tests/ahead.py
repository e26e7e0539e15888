"""What the tests of both wings share about frozen stages that run ahead of the rest."""

import numpy as np


def ahead(learner, *, compiled=True):
    """Let a learner run its frozen stages ahead, and return what it says."""
    said = []
    learner.run_ahead(compiled=compiled, say=said.append)
    return said


def lively(learner):
    """Give BatchNorm values of its own: fresh ones are 0 and 1."""
    rng, tensors = np.random.default_rng(3), learner.get_weights()
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            tensor[:] = rng.uniform(0.5, 1.5, tensor.shape) if name.endswith(("weight", "var")) else tensor + 0.1
    learner.set_weights(tensors)


def apart_and_whole(make_learner, precision, *, compiled=True):
    """Return a learner that is to run its stem ahead, the same one without, and what the first says."""
    whole, apart = (make_learner(freeze="stem", precision=precision, batch_size=6) for _ in range(2))
    for learner in (whole, apart):
        lively(learner)
    return whole, apart, ahead(apart, compiled=compiled)


def require_same_features_folded(make_learner, images, model):
    """Assert that a folded base makes the features of the plain one but for rounding, and leaves the network alone."""
    learner = make_learner(model=model, freeze="base", precision="float64")
    lively(learner)
    plain, weights = learner.features(images).taps["head"], learner.get_weights()
    assert ahead(learner, compiled=False) == []
    features = learner.features(images).taps["head"]
    np.testing.assert_allclose(features, plain, atol=1e-13 * np.abs(plain).max(), rtol=0)
    assert np.any(features != plain)
    for name, tensor in learner.get_weights().items():
        np.testing.assert_array_equal(tensor, weights[name], err_msg=name)


def require_bfloat16(make_learner, images, compiled):
    """Assert that frozen stages that run ahead compute in bfloat16, where the recipe says so."""
    whole, apart, said = apart_and_whole(make_learner, "bfloat16", compiled=compiled)
    assert "bfloat16" in str(apart.load(images).dtype), said
    logits = whole.outputs(images)["logits"]
    assert np.abs(apart.outputs(images)["logits"] - logits).max() < 0.02 * np.abs(logits).max()


def farthest(ours, theirs):
    """Return the largest difference of two sets of gradients, relative to the largest of all."""
    scale = max(np.abs(g).max() for g in theirs.values())
    return max(np.abs(ours[name] - theirs[name]).max() for name in theirs) / scale
