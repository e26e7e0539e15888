"""The textbook scripts for text run, and the facade does what they do: the whole against an outside oracle.

In PyTorch with AdamW; in Keras with SGD, whose numbers survive float32, for Keras's AdamW has an eps of its own.
"""

import importlib.util
from itertools import chain, count, islice
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from ft.backend import contract as backend
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.job import prepare_job
from parity_tests.runs.test_examples import double, require_lines
from parity_tests.support.pairs import TRAJECTORY
from parity_tests.support.text_runs import FIELDS, table, tiny_folder

__all__ = ["double"]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STEPS = 10
THEIR = {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids"}
TRAINED = {
    "torch": {"optimizer": "adamw", "weight_decay": 0.01, "decay_exempt": "none", "lr": 5e-4},
    "tf": {"optimizer": "sgd", "momentum": 0.0, "lr": 2**-5},
}
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}


def load_script(name):
    """Import a script afresh: its tf.function may create the optimizer's variables only once."""
    spec = importlib.util.spec_from_file_location(f"text_{name}", EXAMPLES / f"text_{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_script_runs(name, tmp_path, capsys):
    table(tmp_path / "train.csv", rows=12)
    table(tmp_path / "val.csv", rows=4)
    script = load_script(name)
    flags = [str(tmp_path), "--model", tiny_folder(tmp_path / "net"), "--epochs", "1", "--max-length", "16"]
    script.main(script.FLAGS.parse_args(flags))
    require_lines(capsys.readouterr().out, 1)


def as_fed(name, batch):
    """Return a batch as a script's own loader gives it."""
    arrays, labels = batch.inputs.arrays, batch.targets["labels"]
    if name == "torch":
        return {THEIR[key]: torch.from_numpy(x) for key, x in arrays.items()}, torch.from_numpy(labels)
    return {key: tf.constant(x) for key, x in arrays.items()}, tf.constant(labels)


@pytest.mark.parametrize("name", ["torch", "tf"])
@pytest.mark.usefixtures("double")
def test_facade_equals_script(name, tmp_path):
    model, data = tiny_folder(tmp_path / "net", **QUIET), table(tmp_path / "d.csv")
    fields = {**FIELDS, **TRAINED[name], "schedule": "constant", "model": model, "data": data}
    job = prepare_job(Recipe(**fields), quiet=True)
    learner = build_learner(job, backend.load(name), device="cpu")[0]
    script = load_script(name)
    flags = ["DIR", "--model", model, "--lr", repr(fields["lr"]), "--optimizer", fields["optimizer"]]
    net, optimizer = script.build(script.FLAGS.parse_args(flags), len(job.dataset.classes))
    start = learner.get_weights()
    if name == "torch":
        net.double().load_state_dict({key: torch.from_numpy(x) for key, x in start.items()}, strict=True)
    else:
        backend.load(name).set_weights(net, start)
    fed = chain.from_iterable(job.batches("train").epoch(epoch) for epoch in count())
    for step, batch in enumerate(islice(fed, STEPS)):
        theirs = float(script.train_step(net, optimizer, *as_fed(name, batch)))
        probes = learner.step(batch, step=step, lr=np.float64(fields["lr"]))
        assert learner.fetch([probes])[0, 0] == pytest.approx(theirs, rel=TRAJECTORY, abs=0), f"step {step}"
    val = list(job.batches("val").epoch(0))
    loss, accuracy = script.evaluate(net, [as_fed(name, batch) for batch in val])
    logits = np.concatenate([learner.outputs(batch.inputs)["logits"] for batch in val])
    labels = np.concatenate([batch.targets["labels"] for batch in val])
    ours = keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True).numpy().mean()
    assert ours == pytest.approx(loss, rel=TRAJECTORY)
    assert float((logits.argmax(1) == labels).mean()) == pytest.approx(accuracy)
