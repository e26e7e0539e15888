"""Fifty steps on text in float64, with AdamW, dropout, buckets, clipping and accumulation: the wings stay equal.

An attention's scores do not change with a bias of its keys, for softmax takes away what all have: its gradient is zero
but for rounding, and so are its slots.
"""

from itertools import chain, count, islice

import numpy as np
import pytest

from ft.backend import contract as backend
from ft.features.key import feature_key
from ft.parity.arrays import BARS, ZERO, compare, require_equal
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.job import prepare_job
from parity_tests.support.pairs import TRAJECTORY
from parity_tests.support.text_runs import FIELDS, table, tiny_folder

STEPS = 50
TRAINED = {
    **FIELDS,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "decay_exempt": "norms-and-biases",
    "lr": 1e-3,
    "batch_size": 4,
    "accumulate": 3,
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "ema": 0.9,
}


def learner_of(name, **fields):
    """Return a job and its learner in one wing."""
    job = prepare_job(Recipe(**fields), quiet=True)
    wing = backend.load(name)
    return job, build_learner(job, wing, device=wing.prepare(device="cpu", deterministic=True))[0]


@pytest.mark.parametrize(
    ("architecture", "side"), [("bert", "right"), pytest.param("gpt2", "left", marks=pytest.mark.slow)]
)
def test_trajectory(architecture, side, tmp_path, say):
    fields = {"model": tiny_folder(tmp_path / "net", architecture), "data": table(tmp_path / "d.csv", rows=64)}
    states, lengths, start = {}, set(), {}
    for name in ("torch", "tf"):
        job, learner = learner_of(name, **fields, **TRAINED, pad_side=side)
        start = learner.get_weights()
        batches = job.batches("train")
        fed = chain.from_iterable(batches.epoch(epoch) for epoch in count())
        for step, batch in enumerate(islice(fed, STEPS)):
            lengths.add(batch.inputs.arrays["ids"].shape[1])
            learner.step(batch, step=step, lr=np.float64(TRAINED["lr"] * (1 + step % 3)))
        states[name] = {"weights": learner.get_weights(), "slots": learner.get_slots()}
    assert len(lengths) > 1, "all batches have one length"
    moved = compare(start, states["tf"]["weights"], bar=0)
    assert moved.largest > 1e-3, "nothing was trained"
    apart = require_equal(*(s["weights"] for s in states.values()), bar=TRAJECTORY, what="weights")
    slots = require_equal(*(s["slots"] for s in states.values()), bar=TRAJECTORY, zero=ZERO, what="slots")
    say(f"{architecture}, {STEPS} steps: weights {apart.largest:.1e}, slots {slots.largest:.1e}, zero {slots.zeros}")
    if architecture == "bert":
        assert {n.rpartition(".self.")[2].rpartition(".")[0] for n in slots.zeros} <= {"key.bias"}, slots.zeros


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_parts_of_a_batch_add_up_to_the_whole_at_another_padding(name, tmp_path):
    """Without noise the gradients of three parts are those of one batch, however far that is padded."""
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    fields = {
        "model": tiny_folder(tmp_path / "net", **quiet),
        "data": table(tmp_path / "d.csv"),
        "class_weights": [1, 3],
    }
    fields |= {**TRAINED, "pool": "mean"}
    job, parts = learner_of(name, **fields)
    _, whole = learner_of(name, **{**fields, "batch_size": 12, "accumulate": 1})
    batches = job.batches("train")
    (batch,) = islice(batches.epoch(0), 1)
    arrays = batches.tokens.padded(batch.indices, length=29, pad=0, side="left")
    wide = type(batch)(type(batch.inputs)(arrays), batch.targets, batch.indices, 0)
    assert batch.inputs.arrays["ids"].shape[1] < 29
    results = [learner.gradients(given, step=0) for learner, given in ((parts, batch), (whole, wide))]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-13)
    require_equal(results[0][2], results[1][2], bar=BARS["float64"]["step"], zero=ZERO, what="gradients")


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_kept_features_give_what_the_whole_network_does(name, tmp_path):
    """The head alone, on features that were kept, is the head of the whole network: logits, loss and gradients."""
    fields = {"model": tiny_folder(tmp_path / "net"), "data": table(tmp_path / "d.csv"), "pool": "mean"}
    job, learner = learner_of(name, **fields, **{**TRAINED, "freeze": "base"})
    (batch,) = islice(job.batches("train").epoch(0), 1)
    kept = type(batch)(learner.features(batch.inputs), batch.targets, batch.indices, 0)
    require_equal(learner.outputs(kept.inputs), learner.outputs(batch.inputs), bar=1e-13, what="logits")
    whole, head = (learner.gradients(each, step=3) for each in (batch, kept))
    assert head[0] == pytest.approx(whole[0], rel=1e-13)
    require_equal(head[2], whole[2], bar=1e-12, what="gradients")
    keys = {key_of(job, learner, name)}
    for file, old, new in (
        ("config.json", '"gelu"', '"relu"'),
        ("tokenizer.json", '"lowercase":true', '"lowercase":false'),
    ):
        path = tmp_path / "net" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        keys.add(key_of(*learner_of(name, **fields, **{**TRAINED, "freeze": "base"}), name))
    assert len(keys) == 3, "features of another activation or tokenizer are taken for these"


def key_of(job, learner, name):
    """Return the key under which the features of the validation texts are kept."""
    return feature_key(job, learner, job.batches("val"), views=0, backend=name, device="cpu")
