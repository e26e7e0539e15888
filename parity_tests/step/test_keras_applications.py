"""keras.applications itself as the oracle: its files, read by it and by us, and its BatchNorm in frozen stages."""

import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import h5py
import keras
import numpy as np
import pytest
import torch

import ft_tf
import ft_torch
from ft.parity.arrays import compare
from ft.weights import cast, match_weights
from ft.weights.keras_names import flat_order
from ft.weights.layouts import from_canonical
from ft.weights.pretrained import pretrained_weights
from ft.weights.source import canonical_tensors
from ft.zoo import find_card
from ft_tf.precision import type_policy
from parity_tests.support.networks import Outcome, case_of, compare_outcomes, finish_step, images_of
from parity_tests.support.pairs import FORWARD, learners, starting_tensors

STOCK = {
    "keras/mobilenet_v2": keras.applications.MobileNetV2,
    "keras/efficientnet_b0": keras.applications.EfficientNetB0,
    "keras/xception": keras.applications.Xception,
    "keras/resnet50": keras.applications.ResNet50,
    "keras/vgg16": keras.applications.VGG16,
}
QUICK = "keras/mobilenet_v2"
NETWORKS = [pytest.param(name, id=name, marks=[] if name == QUICK else [pytest.mark.slow]) for name in STOCK]
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
OLD_HEADS = {"keras/resnet50": "probs", "keras/mobilenet_v2": "Logits"}


def drawn(name):
    """Return tensors for a network at its published size, no two of one kind alike, in float32."""
    shapes = ft_torch.weight_shapes(meta(name))
    return cast(starting_tensors(case_of(find_card(name)), shapes, seed=3), "float32")


def meta(name):
    """Return a network of the PyTorch wing without memory for its weights."""
    with torch.device("meta"):
        return ft_torch.build_model(name)


def write_published(path, name, tensors):
    """Write a file as keras.applications' are: old format, old names, "conv1_conv/kernel:0"; Keras 1's for VGG."""
    with h5py.File(path, "w") as file:
        layers = {"input_1": [], **flat_order(tensors), "activation_1": []}
        file.attrs["layer_names"] = [old_layer(name, layer).encode() for layer in layers]
        for layer, held in layers.items():
            group = file.create_group(old_layer(name, layer))
            variables = [old_variable(name, layer, tensor, tensors[tensor]) for tensor in held]
            group.attrs["weight_names"] = [variable.encode() for variable in variables]
            for tensor, variable in zip(held, variables, strict=True):
                group.create_dataset(variable, data=in_keras_layout(tensors[tensor]))


def old_layer(name, layer):
    """Return the name of a layer in a published file."""
    if layer.startswith("block") and layer.endswith(("residual", "residual_bn")):  # numbered on the fly
        number = ["block2", "block3", "block4", "block13"].index(layer.partition("_")[0]) + 1
        return f"batch_normalization_{number}" if layer.endswith("bn") else f"conv2d_{number}"
    return OLD_HEADS.get(name, layer) if layer == "predictions" else layer


def old_variable(name, layer, tensor, array):
    """Return the name of a variable in a published file."""
    leaf = tensor.partition(".")[2]
    if name == "keras/vgg16":
        return f"{layer}_{'W' if leaf == 'weight' else 'b'}_1:0"
    kernel = "depthwise_kernel" if array.ndim == 4 and array.shape[1] == 1 else "kernel"
    own = {"weight": kernel, "bias": "bias", "depthwise.weight": kernel, "pointwise.weight": "pointwise_kernel"}
    normalises = "bn" in layer.lower() or "batch" in layer
    return f"{old_layer(name, layer)}/{(NORM if normalises else own).get(leaf, leaf)}:0"


def in_keras_layout(array):
    """Return a canonical tensor in Keras's layout."""
    layout = {2: "linear", 4: "depthwise" if array.ndim == 4 and array.shape[1] == 1 else "conv"}.get(
        array.ndim, "same"
    )
    return from_canonical(array, layout)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a function that serves a file of tmp_path in the place of a network's published one."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def card_for(name, path):
        card = find_card(name)
        (entry,) = card.pretrained
        md5 = entry.md5 and hashlib.md5(path.read_bytes()).hexdigest()
        url = f"http://127.0.0.1:{server.server_port}/{path.name}"
        return replace(card, pretrained=(replace(entry, url=url, md5=md5),))

    yield card_for
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", NETWORKS)
def test_published_files_mean_what_keras_reads_in_them(name, tmp_path, served, eager):
    tensors, path = drawn(name), tmp_path / find_card(name).pretrained[0].filename
    write_published(path, name, tensors)
    card = served(name, path)
    source = pretrained_weights(card, "imagenet", quiet=True)
    model = ft_torch.build_model(name, dtype="float64", options=card.options())
    ours = match_weights(canonical_tensors(source, card, ft_torch.weight_shapes(model)), ft_torch.weight_shapes(model))
    assert all(ours.tensors[key].tobytes() == tensor.tobytes() for key, tensor in tensors.items())
    ft_torch.set_weights(model.eval(), ours.tensors)
    get_file = "keras.src.utils.file_utils.get_file"
    with patch(get_file, lambda *_, **__: str(path)), type_policy("float64"):
        theirs = STOCK[name](weights="imagenet", classifier_activation=None)
    size = card.preprocess.crop
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    images = card.preprocess.normalise(pixels)  # which float64 holds as well
    wanted = theirs(images, training=False).numpy()
    with torch.no_grad():
        logits = model(torch.from_numpy(images).double().permute(0, 3, 1, 2)).numpy()
    assert wanted.dtype == np.float64
    comparison = compare({"logits": logits}, {"logits": wanted}, bar=FORWARD)
    assert not comparison.faults, comparison.faults


@pytest.mark.parametrize("bn", ["frozen", "update"])
def test_batchnorm_in_frozen_stages(bn, eager):
    """Keras's own layer knows one way to be frozen, the recipe two."""
    card = find_card(QUICK)
    pair, given = learners(case_of(card, "stem,stage1,stage2,stage3"), bn=bn), images_of(card)
    start = pair["torch"].get_weights()
    outcomes = []
    for learner in pair.values():
        learner.set_weights(start)
        results = learner.gradients(given, step=7)
        outcomes.append(Outcome(dict(finish_step(learner, results, bn, lambda _, t: t))))
    faults = {part: comparison.faults for part, comparison in compare_outcomes(*outcomes).items()}
    assert not any(faults.values()), faults
    moved = {name for name, tensor in pair["tf"].get_weights().items() if (tensor != start[name]).any()}
    frozen = {name for name in start if card.stage_of(name) in ("stem", "stage1", "stage2", "stage3")}
    statistics = {name for name in frozen if "running" in name}
    assert moved & frozen == (statistics if bn == "update" else set())


@pytest.mark.slow
def test_the_networks_of_both_wings_have_their_tensors_in_keras_order():
    """By which old files go: `flat_order` of either wing's shapes."""
    for name in STOCK:
        options = find_card(name).options(image_size=71)
        stock = ft_tf.weight_shapes(ft_tf.build_model(name, num_classes=3, options=options))
        with torch.device("meta"):
            port = ft_torch.weight_shapes(ft_torch.build_model(name, num_classes=3, options=options))
        assert list(flat_order(stock).items()) == list(flat_order(port).items())
        assert stock == port
