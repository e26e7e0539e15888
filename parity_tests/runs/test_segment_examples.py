"""The textbook scripts for masks run, and the facade does what they do: as test_examples.py has it of the others."""

import subprocess
import sys
from itertools import count, islice

import numpy as np
import pytest
import tensorflow as tf
import torch

import ft_tf
from ft.backend import contract as backend
from ft.network.freeze import keeps_features
from ft.noise import generator
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.evaluate import evaluate
from ft.training.job import prepare_job
from ft.weights import cast, initial_weights
from ft_torch.models.mobilenetv3 import adapted
from parity_tests.runs.test_examples import EXAMPLES, STEPS, double, load_script, require_same_step
from parity_tests.support.pairs import randomised, squares_folder

MODEL, SIZE, BATCH = "lraspp_mobilenet_v3_large", 48, 4
FREEZE = {"frozen_head": "base", "full": "none"}
# in Keras's SGD learning rate and momentum are float32: numbers that it holds exactly
RATES = {"lr": 2**-7, "momentum": 0.875}

__all__ = ["double"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of images and masks."""
    return squares_folder(tmp_path_factory.mktemp("squares"), count=16)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of the network with 21 classes in torchvision's names, every BatchNorm tensor randomised."""
    wing, rng = backend.load("torch"), generator(0, "randomise")
    drawn = initial_weights(wing.weight_shapes(wing.build_model(MODEL, num_classes=21)), seed=0)
    tensors = cast({name: randomised(name, tensor, rng) for name, tensor in drawn.items()}, "float32")
    path = tmp_path_factory.mktemp("weights") / "lraspp.pth"
    torch.save({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, path)
    return str(path)


def flags_of(data, weights, choice):
    rates = [word for key, value in RATES.items() for word in (f"--{key}", repr(value))]
    return [
        data,
        "--weights",
        weights,
        "--recipe",
        choice,
        "--image-size",
        str(SIZE),
        "--batch-size",
        str(BATCH),
        *rates,
    ]


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_script_runs(name, data, weights):
    command = [
        sys.executable,
        EXAMPLES / f"segment_{name}.py",
        *flags_of(data, weights, "frozen_head"),
        "--epochs",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"], done.stdout
    assert all(0 <= float(line.rpartition(" ")[2]) <= 1 for line in lines), done.stdout


def test_pixels_and_masks_are_the_facades(data, weights):
    """In float32 to rounding: the scripts read all pictures as the facade does, in the same squares."""
    job = job_of(data, weights, "frozen_head", precision="float32")
    script = load_script("torch", "segment")
    val, _ = script.load_data(script.FLAGS.parse_args(flags_of(data, weights, "frozen_head")), "val")
    ours = list(job.batches("val").epoch(0))
    for batch, (images, masks) in zip(ours, val, strict=True):
        np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), batch.inputs, atol=1e-6)
        np.testing.assert_array_equal(masks.numpy(), batch.targets["mask"])


def job_of(data, weights, choice, **changes):
    fields = {"precision": "float64", "cache": "off", "schedule": "constant", "workers": 0, **RATES, **changes}
    fields |= {"image_size": SIZE, "batch_size": BATCH, "freeze": FREEZE[choice]}
    return prepare_job(Recipe(model=MODEL, data=data, weights=weights, **fields), quiet=True)


def build_script(name, data, weights, choice, learner):
    """Return the script, its model with the learner's new last layers, and its optimizer."""
    script = load_script(name, "segment")
    model, optimizer = script.build(script.FLAGS.parse_args(flags_of(data, weights, choice)), 3)
    new = {key: x for key, x in learner.get_weights().items() if "_classifier" in key}
    if name == "torch":
        model = adapted(model, "float64")  # PyTorch's hard sigmoid holds the 1/6 of its gradient as a float32
        model.load_state_dict({key: torch.from_numpy(x) for key, x in new.items()}, strict=False)
    else:
        ft_tf.set_weights(model, {**ft_tf.get_weights(model), **new})
    return script, model, optimizer


def as_tensors(name, batch):
    """Return a batch as a script's own loader gives it."""
    images, masks = np.asarray(batch.inputs), batch.targets["mask"]
    if name == "torch":
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks).long()
    return tf.constant(images), tf.constant(masks)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("torch", "full"),
        ("tf", "frozen_head"),
        pytest.param("torch", "frozen_head", marks=pytest.mark.slow),
        pytest.param("tf", "full", marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("double")
def test_facade_equals_script(name, choice, data, weights):
    ways = ["memory", "off"] if choice == "frozen_head" else ["off"]
    jobs = [job_of(data, weights, choice, cache=cache) for cache in ways]
    learners = [build_learner(job, backend.load(name), device="cpu")[0] for job in jobs]
    keeps = [keeps_features(job.recipe, learner.plan, job.card) for job, learner in zip(jobs, learners, strict=True)]
    assert keeps == [way == "memory" for way in ways]
    script, model, optimizer = build_script(name, data, weights, choice, learners[0])
    recipe = [choice] if name == "torch" else []
    batches = (batch for epoch in count() for batch in jobs[0].batches("train").epoch(epoch))
    for step, batch in enumerate(islice(batches, STEPS)):
        theirs = float(script.train_step(model, optimizer, *as_tensors(name, batch), *recipe))
        for learner, job in zip(learners, jobs, strict=True):
            require_same_step(learner, job, batch, step, RATES["lr"], theirs)
    val = jobs[-1].batches("val")
    theirs = script.evaluate(model, [as_tensors(name, batch) for batch in val.epoch(0)])
    assert evaluate(learners[-1], val, jobs[0].task.meter(("a", "b", "c"))).result()["mean_iou"] == pytest.approx(
        theirs, rel=1e-12
    )
