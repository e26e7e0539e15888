"""The textbook scripts in examples/ run, and the facade does what they do: the whole against an outside oracle."""

import importlib.util
import math
import re
import subprocess
import sys
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image

from ft.backend import contract as backend
from ft.network.freeze import keeps_features
from ft.noise import generator
from ft.recipe import from_dict, load
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft.weights import cast, initial_weights, write_safetensors
from parity_tests.support.pairs import TRAJECTORY, randomised

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RECIPES = {"frozen_head": "resnet50_frozen_head.yaml", "full": "resnet18_full.yaml"}
LINE = re.compile(r"epoch (\d+): loss (\d+\.\d{4}), val loss (\d+\.\d{4}), accuracy ([01]\.\d{4})")
STEPS, BATCH, SIZE = 10, 8, 32  # measured: at most 1.1e-12 apart after 10 steps of the full network, 4e-16 of the head


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of train/CLASS/* and val/CLASS/*, photos of odd sizes, one of them a PNG."""
    root, rng = tmp_path_factory.mktemp("photos"), generator(0, "photos")
    for split, number in (("train", 8), ("val", 2)):
        for name in ("ant", "bee", "cat"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(number):
                blobs = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8))
                photo = blobs.resize((67 + 7 * i, 81 + 11 * (i % 3)), Image.Resampling.BICUBIC)
                photo.save(folder / f"{i}.{'png' if i == 1 else 'jpg'}")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a ResNet-18 with 1000 classes, in torchvision's names, every BatchNorm tensor randomised."""
    wing, rng = backend.load("torch"), generator(0, "randomise")
    shapes = wing.weight_shapes(wing.build_model("resnet18"))
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    tensors = {name: randomised(name, tensor, rng) for name, tensor in initial_weights(shapes, seed=0).items()}
    write_safetensors(path, cast(tensors, "float32"), {})
    return path


@pytest.fixture
def double():
    """Float64 as the frameworks' own default, the way a user of the scripts would ask for it."""
    before = torch.get_default_dtype(), keras.config.floatx(), keras.config.dtype_policy()
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    torch.set_default_dtype(before[0])
    keras.config.set_floatx(before[1])
    keras.config.set_dtype_policy(before[2])


def load_script(name, kind="finetune"):
    """Import a script afresh: its tf.function may create the optimizer's variables only once."""
    spec = importlib.util.spec_from_file_location(f"{kind}_{name}", EXAMPLES / f"{kind}_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def small_flags(photos, weights, recipe):
    size = ["--model", "resnet18", "--image-size", str(SIZE), "--batch-size", str(BATCH)]
    return [str(photos), "--recipe", recipe, "--weights", str(weights), *size]


def require_lines(text, epochs):
    lines = [line for line in map(LINE.fullmatch, text.splitlines()) if line is not None]
    assert len(lines) == len(text.splitlines()), text
    assert [int(line[1]) for line in lines] == list(range(1, epochs + 1))
    assert all(math.isfinite(float(number)) for line in lines for number in line.groups())
    assert all(0 <= float(line[4]) <= 1 for line in lines)


@pytest.mark.parametrize(("name", "recipe"), [("torch", "full"), ("tf", "frozen_head")])  # the quicker one to trace
def test_script_runs(name, recipe, photos, weights):
    flags = [*small_flags(photos, weights, recipe), "--epochs", "1", "--workers", "2"]
    done = subprocess.run([sys.executable, EXAMPLES / f"finetune_{name}.py", *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    require_lines(done.stdout, 1)


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_script_trains_a_new_head(name, photos, weights, capsys):
    """The other recipe in this process, which saves the start of a framework; a process with TensorFlow never forks."""
    script = load_script(name)
    workers = {"torch": "0", "tf": "2"}[name]
    flags = [*small_flags(photos, weights, "frozen_head"), "--epochs", "2", "--workers", workers]
    script.main(script.FLAGS.parse_args(flags))
    require_lines(capsys.readouterr().out, 2)


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_script_and_recipe_file_say_the_same(name):
    script = load_script(name)
    for choice, file in RECIPES.items():
        recipe = load(EXAMPLES / "recipes" / file)
        flags = vars(script.FLAGS.parse_args(["DIR", "--weights", "FILE", "--recipe", choice]))
        shared = flags.keys() & recipe.keys() - {"model", "weights"}
        assert shared == {"epochs", "batch_size", "lr", "momentum", "image_size", "workers"}
        assert {key: flags[key] for key in shared} == {key: recipe[key] for key in shared}
        assert script.MODELS[choice] == recipe["model"]


def build_facade(name, choice, photos, weights, changes):
    """Return the job of a recipe file, made small and float64, and its learner in one wing."""
    fields = load(EXAMPLES / "recipes" / RECIPES[choice])
    small = {
        "model": "resnet18",
        "data": str(photos),
        "weights": str(weights),
        "image_size": SIZE,
        "batch_size": BATCH,
        "precision": "float64",
        "workers": 0,
    }
    job = prepare_job(from_dict({**fields, **small, **changes}), quiet=True)
    return job, build_learner(job, backend.load(name), device="cpu")[0]


def build_script(name, job, learner):
    """Return the script, its model with the learner's new head, and its optimizer, all from the recipe's numbers."""
    recipe, script = job.recipe, load_script(name)
    choice = "full" if recipe.freeze == ("none",) else "frozen_head"
    flags = ["--lr", repr(recipe.lr), "--momentum", repr(recipe.momentum)]
    args = script.FLAGS.parse_args([*small_flags(recipe.data, recipe.weights, choice), *flags])
    model, optimizer = script.build(args, len(job.dataset.classes))
    head, bias = (learner.get_weights()[f"fc.{leaf}"] for leaf in ("weight", "bias"))
    if name == "torch":
        model.fc.load_state_dict({"weight": torch.from_numpy(head), "bias": torch.from_numpy(bias)})
    else:
        model.layers[-1].set_weights([head.T, bias])
    return script, model, optimizer, args


def as_tensors(name, batch):
    """Return a batch as a script's own loader gives it: N, C, H, W in PyTorch, N, H, W, C in TensorFlow."""
    images, labels = batch.inputs, batch.targets["labels"]
    if name == "torch":
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    return tf.constant(images), tf.constant(labels)


def as_fed(learner, job, images):
    """Return images as a facade feeds them to its learner: by way of the features where it keeps these."""
    keeps = keeps_features(job.recipe, learner.plan, job.card)
    return learner.features(images) if keeps else images


def require_same_step(learner, job, batch, step, lr, theirs):
    inputs = as_fed(learner, job, batch.inputs)
    probes = learner.step(replace(batch, inputs=inputs), step=step, lr=np.float64(lr))
    assert learner.fetch([probes])[0, 0] == pytest.approx(theirs, rel=TRAJECTORY, abs=0), f"step {step}"


def require_same_evaluation(learner, job, val, theirs, accuracy):
    """Compare evaluations: they alone see BatchNorm's running statistics."""
    outputs = [learner.outputs(as_fed(learner, job, batch.inputs))["logits"] for batch in val]
    logits = torch.from_numpy(np.concatenate(outputs))
    labels = torch.from_numpy(np.concatenate([batch.targets["labels"] for batch in val]))
    assert float(torch.nn.functional.cross_entropy(logits, labels)) == pytest.approx(theirs, rel=TRAJECTORY, abs=0)
    assert float((logits.argmax(1) == labels).double().mean()) == pytest.approx(accuracy)


# Keras turns its learning rate and its momentum into float32: numbers that float32 holds exactly survive that
EXACT = {"torch": {}, "tf": {"lr": 2**-10, "momentum": 0.875}}
# a frozen base by its features, as a run keeps them, and by whole images in training mode
WAYS = {"frozen_head": ({"cache": "memory"}, {"cache": "off"}), "full": ({},)}


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("torch", "frozen_head"),
        ("torch", "full"),
        ("tf", "frozen_head"),
        pytest.param("tf", "full", marks=pytest.mark.slow),  # half a minute of tracing
    ],
)
@pytest.mark.usefixtures("double")
def test_facade_equals_script(name, choice, photos, weights):
    facades = [build_facade(name, choice, photos, weights, EXACT[name] | way) for way in WAYS[choice]]
    jobs, learners = zip(*facades, strict=True)
    keeps = [keeps_features(job.recipe, learner.plan, job.card) for job, learner in zip(jobs, learners, strict=True)]
    assert keeps == [way.get("cache") == "memory" for way in WAYS[choice]]
    script, model, optimizer, args = build_script(name, jobs[0], learners[0])
    batches = (batch for epoch in count() for batch in jobs[0].batches("train").epoch(epoch))
    for step, batch in enumerate(islice(batches, STEPS)):
        theirs = float(script.train_step(model, optimizer, *as_tensors(name, batch), args.recipe))
        for learner, job in zip(learners, jobs, strict=True):
            require_same_step(learner, job, batch, step, args.lr, theirs)

    val = list(jobs[0].batches("val").epoch(0))
    theirs, accuracy = script.evaluate(model, [as_tensors(name, batch) for batch in val])
    for learner, job in zip(learners, jobs, strict=True):
        require_same_evaluation(learner, job, val, theirs, accuracy)
