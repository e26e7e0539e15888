"""One tiny fine-tuning: it learns, it repeats itself to the bit, and what it leaves is a plain network."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft.data import Features, Preprocess
from tests.ahead import ahead

LR = np.float64(0.05)
FEATURES = np.random.default_rng(0).normal(size=(6, 1280))  # of efficientnet_lite0


def train(learner, batch, steps=6, lr=LR):
    """Train on one batch and return the probes (steps, 5)."""
    return learner.fetch([learner.step(batch, step=step, lr=lr) for step in range(steps)])


@pytest.mark.usefixtures("eager")
def test_the_same_seed_ends_in_the_same_bits(make_learner, batch):
    runs = []
    for _ in range(2):
        learner = make_learner(model="efficientnet_lite0", freeze="none", stochastic_depth=0.5)
        train(learner, batch, steps=2)
        runs.append(learner.get_weights())
    for name in runs[0]:
        np.testing.assert_array_equal(runs[0][name], runs[1][name], err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_bytes_become_the_same_numbers_on_the_device(make_learner, precision):
    values = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    pixels = Preprocess(8, 8, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)).pixels(values, precision)
    learner = make_learner(precision=precision)
    np.testing.assert_array_equal(learner.put(pixels).numpy(), pixels, strict=True)
    np.testing.assert_array_equal(learner.put(pixels[1:3]).numpy(), pixels[1:3], strict=True)
    learner.device = "cuda"  # as on a GPU, which this machine may lack
    np.testing.assert_array_equal(learner.put(pixels).numpy(), pixels, strict=True)


@pytest.mark.usefixtures("eager")
def test_the_features_path_is_the_full_path(make_learner, batch):
    fields = {"model": "efficientnet_lite0", "freeze": "base", "precision": "float64"}  # dropout is in the head
    full, short = make_learner(**fields), make_learner(**fields)
    lively = full.get_weights()
    lively["features.8.1.running_var"][:] = 1e-12  # a fresh network of this depth says next to nothing
    lively["features.8.1.running_mean"][:] = np.random.default_rng(0).normal(size=1280) * 0.1
    for learner in (full, short):
        learner.set_weights(lively)
    features = short.features(batch.inputs)
    assert features.taps["head"].std() > 0.1
    np.testing.assert_allclose(
        short.outputs(features)["logits"], full.outputs(batch.inputs)["logits"], rtol=1e-12, atol=1e-13
    )
    a, b = train(full, batch, steps=3), train(short, replace(batch, inputs=features), steps=3)
    np.testing.assert_allclose(a, b, rtol=1e-12)
    x, y = full.get_weights(), short.get_weights()
    for name in x:
        np.testing.assert_allclose(x[name], y[name], rtol=1e-12, atol=1e-13, err_msg=name)


@pytest.mark.usefixtures("eager")
def test_a_convolution_as_head_trains_on_features(make_learner, batch):
    full, short = (make_learner(model="squeezenet1_1", freeze="base", precision="float64") for _ in range(2))
    batch = replace(batch, inputs=batch.inputs.repeat(3, 1).repeat(3, 2))
    features = replace(batch, inputs=short.features(batch.inputs))
    a, b = train(full, batch, steps=2), train(short, features, steps=2)
    assert (a[:, 1] > 1e-3).all()  # the gradients' norm
    np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.usefixtures("eager")
def test_a_run_goes_on_from_weights_and_slots(make_learner, batch):
    straight, after = (make_learner(freeze="stem,layer1") for _ in range(2))
    train(straight, batch, steps=2)
    after.set_weights(straight.get_weights())
    after.set_slots(straight.get_slots())
    for learner in (straight, after):
        learner.step(batch, step=2, lr=LR)
    x, y = straight.get_weights(), after.get_weights()
    for name in x:
        np.testing.assert_array_equal(x[name], y[name], err_msg=name)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("model", ["resnet18", pytest.param("efficientnet_lite0", marks=pytest.mark.slow)])
def test_the_trained_network_is_a_plain_one(make_learner, batch, tmp_path, model):
    learner = make_learner(model=model, freeze="none")
    train(learner, batch, steps=1)
    learner.model.save(tmp_path / "model.keras")
    stock = keras.models.load_model(tmp_path / "model.keras")
    images = batch.inputs.astype(np.float32)
    np.testing.assert_allclose(stock(images, training=False), learner.outputs(images)["logits"], rtol=1e-5, atol=1e-6)


def test_whole_batches_have_a_graph_and_all_others_share_one(make_learner, batch):
    learner = make_learner(model="efficientnet_lite0", freeze="base", batch_size=6)
    for step, count in enumerate([6, 3, 6, 5, 1]):
        part = replace(batch, inputs=Features({"head": FEATURES})).rows(slice(count))
        learner.step(part, step=step, lr=np.float64(0.1 / (step + 1)), first=step)
    graphs = [*learner.run_step.whole.values(), *learner.run_step.others.values()]
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1, 1]


@pytest.mark.parametrize("freeze", ["none", "stem,layer1,layer2,layer3"])
def test_a_batch_gives_the_same_bits_whatever_sizes_came_before(make_learner, freeze):
    """As where a run goes on before the short last batch of an epoch; frozen stages are compiled."""
    rng, runs = np.random.default_rng(0), []
    images, labels = rng.normal(size=(13, 32, 32, 3)), rng.integers(0, 3, 13)
    for sizes in ((13, 3), (3, 13)):
        learner = make_learner(freeze=freeze, precision="float64", batch_size=13)
        if freeze != "none":
            ahead(learner)
        results = {n: run_part(learner, images[:n], labels[:n]) for n in sizes}
        assert learner.prefix is None or learner.prefix.compiled
        runs.append(results)
    for count, (loss, _, outputs, gradients) in runs[0].items():
        again = runs[1][count]
        np.testing.assert_array_equal(outputs["logits"], again[2]["logits"])
        assert loss == again[0]
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(gradient, again[3][name], err_msg=name)


def run_part(learner, images, labels):
    """Return loss, right images, logits and gradients by the graphs of a training step."""
    targets, clock = {"labels": tf.constant(labels)}, tf.constant([0, 0], tf.int64)
    return learner.run_part(learner.load(images), targets, clock, tf.constant([1.0, 1.0], tf.float64))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("on_features", [False, True])
def test_bfloat16_rounds_products_and_keeps_float32(make_learner, batch, on_features):
    fine, learner = (make_learner(precision=p) for p in ("float32", "bfloat16"))
    images = batch.inputs.astype(np.float32)
    inputs = learner.features(images) if on_features else images
    exact = fine.outputs(fine.features(images) if on_features else images)["logits"]
    logits = learner.outputs(inputs)["logits"]
    assert logits.dtype == learner.features(images).taps["head"].dtype == np.float32
    assert 1e-4 < np.abs(logits - exact).max() / np.abs(exact).max() < 0.1
    learner.step(replace(batch, inputs=inputs), step=0, lr=LR)
    kept = [*learner.get_weights().values(), *learner.get_slots().values()]
    assert {x.dtype.name for x in kept} == {"float32", "int64"}
    assert {layer.dtype_policy.name for layer in learner.model.layers} == {"float32"}
