"""The textbook scripts for boxes run, and the facade does what they do, where torchvision's samplers draw ours."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image
from torchvision.models import mobilenet_v2

import ft_tf
from ft.backend import contract as backend
from ft.noise import generator
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft.weights import cast, initial_weights
from ft_tf import layers
from parity_tests.runs.test_examples import EXAMPLES, double, load_script, require_same_step
from parity_tests.support.detectors import recorded_anchors, with_our_draws
from parity_tests.support.pairs import randomised

SIZE, BATCH, LR = 64, 2, 2**-10
__all__ = ["double"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of COCO's layout: noisy images with a red and a green square, one without any."""
    root, rng = tmp_path_factory.mktemp("coco"), generator(0, "coco")
    (root / "annotations").mkdir()
    for split, count in (("train", 6), ("val", 2)):
        images, annotations = [], []
        (root / split).mkdir()
        for i in range(count):
            pixels = rng.integers(60, 120, (56, 64, 3)).astype(np.uint8)
            for channel in range(2 if i != 1 else 0):
                top, left = rng.integers(0, 30, 2).tolist()
                pixels[top : top + 22, left : left + 26, channel] = 250
                row = {"image_id": i, "bbox": [left, top, 26, 22], "area": 572, "iscrowd": 0}
                annotations.append({"id": len(annotations) + 1, "category_id": channel + 4, **row})
            Image.fromarray(pixels).save(root / split / f"{i}.png")
            images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 56})
        content = {"images": images, "annotations": annotations}
        content["categories"] = [{"id": 4, "name": "red"}, {"id": 5, "name": "green"}]
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return str(root)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of MobileNetV2 in torchvision's names, every BatchNorm tensor randomised."""
    shapes = {name: tuple(x.shape) for name, x in mobilenet_v2().state_dict().items()}
    rng, drawn = generator(0, "randomise"), initial_weights(shapes, seed=0)
    tensors = cast({name: randomised(name, x, rng) for name, x in drawn.items()}, "float32")
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.pth"
    torch.save({name: torch.from_numpy(np.array(x)) for name, x in tensors.items()}, path)
    return str(path)


def flags_of(data, weights):
    sizes = ["--image-size", str(SIZE), "--batch-size", str(BATCH), "--lr", repr(LR), "--epochs", "1"]
    return [data, "--weights", weights, *sizes]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "tf"])
def test_script_runs(name, data, weights):
    command = [sys.executable, EXAMPLES / f"detect_{name}.py", *flags_of(data, weights)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("epoch 1: loss ")
    assert 0 <= float(line.rpartition(" ")[2]) <= 1


def job_of(data, weights, momentum):
    """Return what the facade makes of the scripts' flags, in float64."""
    fields = {"precision": "float64", "schedule": "constant", "workers": 0, "lr": LR, "momentum": momentum, "seed": 3}
    fields |= {"image_size": SIZE, "batch_size": BATCH, "freeze": "none", "optimizer": "sgd"}
    return prepare_job(Recipe(model="fasterrcnn_mobilenet_v2_fpn", data=data, weights=weights, **fields), quiet=True)


@pytest.mark.usefixtures("double")
def test_facade_equals_script(data, weights):
    """Pixels and boxes to rounding; then the losses of steps, one after the other."""
    job = job_of(data, weights, 0.9)
    learner, _ = build_learner(job, backend.load("torch"), device="cpu")
    script = load_script("torch", "detect")
    args = script.FLAGS.parse_args(flags_of(data, weights))
    mean, std = (torch.tensor(x)[:, None, None] for x in (job.preprocess.mean, job.preprocess.std))
    for batch, theirs in zip(job.batches("val").epoch(0), script.load_data(args, "val")[0], strict=True):
        for i, (picture, target) in enumerate(theirs):
            shown = torch.from_numpy(np.asarray(batch.inputs)[i]).permute(2, 0, 1)
            torch.testing.assert_close((picture - mean) / std, shown, rtol=0, atol=1e-12)
            own = batch.targets["box_labels"][i] >= 0
            np.testing.assert_allclose(target["boxes"].numpy(), batch.targets["boxes"][i][own], rtol=1e-12)
    model, optimizer = script.build(args, 2)
    model.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in learner.get_weights().items()})
    model.transform.image_mean, model.transform.image_std = [0.0] * 3, [1.0] * 3  # the facade's are normalised
    for step, batch in enumerate(job.batches("train").epoch(0)):
        with recorded_anchors() as anchors:
            before = learner.get_weights()
            learner.gradients(batch, step=step)
        assert all(np.array_equal(x, before[name]) for name, x in learner.get_weights().items())
        with_our_draws(model, job.card.detector, seed=3, step=step, anchors=anchors)
        loss = float(script.train_step(model, optimizer, as_pairs(batch)))
        require_same_step(learner, job, batch, step, LR, loss)


@pytest.mark.usefixtures("double")
def test_facade_equals_the_script_in_keras(data, weights):
    """Pixels and boxes to rounding; then the losses of steps. In Keras's SGD the momentum is float32: one it holds."""
    job = job_of(data, weights, 0.875)
    learner, _ = build_learner(job, backend.load("tf"), device="cpu")
    script = load_script("tf", "detect")
    args = script.FLAGS.parse_args([*flags_of(data, weights), "--momentum", "0.875"])
    for batch, theirs in zip(job.batches("val").epoch(0), script.load_data(args, "val")[0], strict=True):
        np.testing.assert_allclose(theirs["images"].numpy(), np.asarray(batch.inputs), rtol=0, atol=1e-12)
        most = theirs["boxes"].shape[1]
        np.testing.assert_array_equal(theirs["box_labels"].numpy(), batch.targets["box_labels"][:, :most])
        np.testing.assert_allclose(theirs["boxes"].numpy(), batch.targets["boxes"][:, :most], rtol=1e-12)
    model, parts, optimizer = script.build(args, 2)
    ft_tf.set_weights(model, learner.get_weights())
    layers.seed_noise(model, 3)
    clock = tf.Variable([0, 0], dtype=tf.int64)
    for step, batch in enumerate(job.batches("train").epoch(0)):
        clock.assign([step, 0])
        tensors = map(tf.constant, (np.asarray(batch.inputs), batch.targets["boxes"], batch.targets["box_labels"]))
        with layers.noise(model, clock):
            loss = float(script.train_step(model, parts, optimizer, *tensors))
        require_same_step(learner, job, batch, step, LR, loss)


def as_pairs(batch):
    """Return a batch as the script's own loader gives it."""
    rows = zip(np.asarray(batch.inputs), batch.targets["boxes"], batch.targets["box_labels"], strict=True)
    return [
        (
            torch.from_numpy(picture).permute(2, 0, 1),
            {"boxes": torch.from_numpy(boxes[k >= 0]), "labels": torch.from_numpy(k[k >= 0] + 1)},
        )
        for picture, boxes, k in rows
    ]
