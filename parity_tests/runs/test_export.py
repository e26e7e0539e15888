"""A run exported to all four formats, whichever wing trained it; the oracles are the other wing and the runtimes.

Each file is read here as docs/export.md says, without this package, so that the export's own check is checked.
"""

import json
import os
import zipfile
from dataclasses import replace
from itertools import product

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import torch
from PIL import Image

import ft_tf
import ft_torch
from ft import Run, export_run
from ft.api.export import FORMATS, PIXELS
from ft.data import open_dataset
from ft.data.sources.dataset import data_facts
from ft.errors import RunError
from ft.recipe import to_dict
from ft.runs import folder as runfolder
from ft.runs.checkpoint import sha256_of
from ft.system import files
from ft.system.names import MODEL, RESULT
from ft.weights import cast, write_safetensors
from ft.zoo import cards, find_card
from parity_tests.support.pairs import CLASSES, Case, build_network, starting_tensors

QUICK = "squeezenet1_1"  # dropout, and pooling windows that lie partly outside of the image
SLOW = (
    *("resnet18", "efficientnet_lite0", "shufflenet_v2_x0_5", "mobilenet_v3_small", "googlenet", "densenet121"),
    *("regnet_x_400mf", "convnext_tiny", "vit_b_16", "swin_t"),
)
QUICK_FILES = {("onnx", "raw"), ("torch-export", "normalised"), ("savedmodel", "normalised"), ("litert", "raw")}
FILES = [
    pytest.param(*file, id="-".join(file), marks=[] if file in QUICK_FILES else [pytest.mark.slow])
    for file in product(FORMATS, PIXELS)
]
ROUNDING = 1e-5  # of float32, below the tolerance of 1e-4 that a user is promised


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the run folder of a network with random weights and six validation images, once for each network."""
    root, made = tmp_path_factory.mktemp("runs"), {}
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        os.makedirs(root / f"data/val/{label}")
        os.makedirs(root / f"data/train/{label}")
        for split in ("train", "val") if label < 6 else ("train",):
            pixels = rng.integers(0, 256, (70, 80, 3), np.uint8)
            Image.fromarray(pixels).save(root / f"data/{split}/{label}/0.png")

    def write(name, precision="float32"):
        key = f"{name}-{precision}"
        made[key] = made.get(key) or write_run(root / key, name, precision, root / "data")
        return made[key]

    return write


def write_run(folder, name, precision, data):
    """Write what a finished run leaves, as if the Keras wing had trained it; `ft train` would take longer."""
    card = find_card(name)
    preprocess = card.preprocess.at(max(64, card.min_size))
    case = Case(name, "base", {"weights": "none", "data": str(data), "image_size": preprocess.crop})
    recipe = case.recipe(precision=precision)
    shapes = ft_torch.weight_shapes(build_network("torch", recipe))
    folder.mkdir()
    tensors = cast(starting_tensors(case, shapes, seed=0), precision)
    write_safetensors(folder / MODEL, tensors, {})
    result = {
        "task": "single-label" if card.task == "classification" else card.task,
        "format": runfolder.FORMAT,
        "architecture": name,
        "backend": "tf",
        "recipe": to_dict(recipe),
        "classes": [str(label) for label in range(CLASSES)],
        "preprocess": preprocess.to_dict(),
        "data": data_facts(open_dataset(str(data))),
        "metrics": {},
        "sha256": {MODEL: sha256_of(folder / MODEL)},
    }
    if card.task == "segmentation":
        result["pixel_confusion"] = np.zeros((CLASSES, CLASSES), int).tolist()
    files.write_json(folder / RESULT, result)
    return folder


@pytest.fixture(scope="module")
def pictures(folder):
    """Return raw pixels (3, 64, 64, 3), the same normalised, and what each wing makes of them, by the wing's name."""
    raw = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    runs = {wing: Run(folder(QUICK), backend=wing) for wing in ("torch", "tf")}
    images = runs["tf"].preprocess.normalise(raw)
    return {
        "raw": raw,
        "normalised": images,
        **{wing: run.learner.outputs(images)["logits"] for wing, run in runs.items()},
    }


def read(path, format):
    """Return what a file carries, read as docs/export.md says."""
    if format == "onnx":
        texts = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        return {"architecture": texts["architecture"], "classes": json.loads(texts["classes"])}
    if format == "torch-export":
        texts = {"metadata.json": ""}
        torch.export.load(path, extra_files=texts)
        return json.loads(texts["metadata.json"])
    if format == "savedmodel":
        return json.loads((path / "assets.extra/metadata.json").read_text())
    return json.loads(zipfile.ZipFile(path).read("metadata.json"))


def infer(path, format, images):
    """Return a file's logits, computed as docs/export.md says; all arrays by name where it gives several."""
    if format == "onnx":
        session = onnxruntime.InferenceSession(path)
        arrays = dict(zip([x.name for x in session.get_outputs()], session.run(None, {"images": images}), strict=True))
    elif format == "torch-export":
        found = torch.export.load(path).module()(torch.from_numpy(images))
        names = read(path, format)["output"].get("names")
        pairs = zip(names, found, strict=True) if names else [("logits", found)]
        arrays = {name: x.detach().numpy() for name, x in pairs}
    elif format == "savedmodel":
        found = tf.saved_model.load(path).signatures["serving_default"](images=tf.constant(images))
        arrays = {name: x.numpy() for name, x in found.items()}
    else:
        arrays = tf.lite.Interpreter(str(path)).get_signature_runner()(images=images)
    return arrays if len(arrays) > 1 else arrays["logits"]


@pytest.mark.parametrize(("format", "pixels"), FILES)
def test_every_format_gives_the_other_wing_s_logits(format, pixels, folder, pictures):
    done = export_run(folder(QUICK), format=format, pixels=pixels)
    assert done.record["check"]["images"] == "6 of its validation images"
    assert done.record["check"]["difference"] < ROUNDING
    assert {"architecture": QUICK, "classes": [*map(str, range(CLASSES))]}.items() <= read(done.path, format).items()
    images = pictures[pixels]
    if done.record["input"]["layout"] == "NCHW":
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    assert list(images.shape[1:]) == done.record["input"]["shape"][1:]
    expected = pictures[{"torch": "tf", "tf": "torch"}[FORMATS[format].wing]]
    logits = infer(done.path, format, images)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
    assert os.listdir(done.path.parent).count(f"{done.path.name}.json") == 1


@pytest.mark.parametrize("format", ["torch-export", "savedmodel"])
def test_a_float64_run_stays_one_where_the_format_can(format, folder):
    done = export_run(folder(QUICK, "float64"), format=format)
    assert done.record["input"]["dtype"] == done.record["output"]["dtype"] == "float64"
    assert done.record["check"]["difference"] < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_float64_run_becomes_float32_where_it_must(format, folder):
    done = export_run(folder(QUICK, "float64"), format=format)
    assert done.record["output"]["dtype"] == "float32"
    assert 1e-9 < done.record["check"]["difference"] < ROUNDING
    assert done.record["check"]["note"] == f"; the run is float64, {format} float32"


def other_weights(wing, model, preprocess):
    """Plant a fault: the last convolution's bias, off by a hundredth of the largest weight."""
    tensors = wing.get_weights(model)
    tensors["classifier.1.bias"] = tensors["classifier.1.bias"] + 0.01 * np.abs(tensors["classifier.1.weight"]).max()
    wing.set_weights(model, tensors)
    return preprocess


def other_normalisation(wing, model, preprocess):
    """Plant a fault: the mean of red for blue."""
    return replace(preprocess, mean=preprocess.mean[::-1])


@pytest.mark.parametrize("fault", [other_weights, other_normalisation])
@pytest.mark.parametrize("format", ["torch-export", "savedmodel"])
def test_a_planted_fault_is_refused_and_leaves_nothing(format, fault, folder, tmp_path, monkeypatch):
    wing = {"torch": ft_torch, "tf": ft_tf}[FORMATS[format].wing]
    export = wing.export_model

    def faulty(model, path, *, preprocess, **rest):
        return export(model, path, preprocess=fault(wing, model, preprocess), **rest)

    monkeypatch.setattr(wing, "export_model", faulty)
    with pytest.raises(RunError, match=r"was not kept: its logits differ by .* on 6 of its validation images, more"):
        export_run(folder(QUICK), format=format, pixels="raw", out=tmp_path / f"x{FORMATS[format].ending}")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", SLOW)
def test_a_network_of_each_kind(name, format, folder):
    done = export_run(folder(name), format=format, pixels="raw")
    print(f"\n{name:<20} {format:<13} {done.record['check']['difference']:.1e}")
    assert done.record["check"]["difference"] < ROUNDING
    if name == "googlenet":
        paths = [done.path] if done.path.is_file() else [p for p in done.path.rglob("*") if p.is_file()]
        assert not any(b"aux" in path.read_bytes() for path in paths)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch-export", "savedmodel"])
@pytest.mark.parametrize("name", [card.name for card in cards("detection")])
def test_every_detector_decides_in_its_file_as_on_the_host(name, format, folder):
    check = export_run(folder(name, "float64"), format=format).record["check"]
    print(f"\n{name:<38} {format:<13} {check['difference']:.1e} of {check['detections']} detections")
    assert check["difference"] < 1e-11
    assert check["alone"] == 0 < check["detections"]


@pytest.mark.parametrize(
    "format", [pytest.param(f, marks=[pytest.mark.slow] if f in ("onnx", "litert") else []) for f in FORMATS]
)
def test_masks_are_maps_of_logits_without_the_auxiliary_head(format, folder):
    done = export_run(folder("fcn_mobilenet_v2"), format=format, pixels="raw")
    layout, shape = done.record["output"]["layout"], done.record["output"]["shape"]
    assert (layout, shape[1:]) == {
        "torch": ("NCHW", [CLASSES, 64, 64]),
        "tf": ("NHWC", [64, 64, CLASSES]),
    }[FORMATS[format].wing]
    raw = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    logits = infer(done.path, format, raw)
    assert list(logits.shape[1:]) == shape[1:]
    other = Run(folder("fcn_mobilenet_v2"), backend={"torch": "tf", "tf": "torch"}[FORMATS[format].wing])
    expected = other.learner.outputs(other.preprocess.normalise(raw))["logits"]
    logits = logits.transpose(0, 2, 3, 1) if layout == "NCHW" else logits
    np.testing.assert_allclose(logits, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
    paths = [done.path] if done.path.is_file() else [p for p in done.path.rglob("*") if p.is_file()]
    assert not any(b"aux_classifier" in path.read_bytes() for path in paths)
