"""What text networks learn beside classes: the wings against each other and against transformers, in float64."""


import numpy as np
import pytest
import torch
import transformers

from ft.parity.arrays import BARS, ZERO, require_equal
from ft.tasks.regression import REGRESSION
from ft_tf.tasks import regression as tf_regression
from parity_tests.support.one_step import require_equal_state, train
from parity_tests.support.text_tasks import seen, text_batch, text_learners
from parity_tests.support.texts import padded_on_the_right, small_card, start, without_noise

STEP = BARS["float64"]["step"]
STOCK = 1e-12
LR = np.float64(0.01)
CASES = [
    ("bert", REGRESSION, "right", {}),
    ("gpt2", REGRESSION, "left", {"accumulate": 2, "batch_size": 3}),
]


def one_step(card, task, side, **fields):
    """Compare loss, logits, every gradient, and all state after two updates; return the learners and the batch."""
    pair, batch = text_learners(card, task, momentum=0.9, **fields), text_batch(card, task, side=side)
    found = [learner.gradients(batch, step=3) for learner in pair.values()]
    losses, outputs, gradients = zip(*found, strict=True)
    require_equal(*({"loss": np.array(loss)} for loss in losses), bar=STEP, what="loss")
    require_equal(*(seen(batch, own) for own in outputs), bar=STEP, what="logits")
    require_equal(*gradients, bar=STEP, zero=ZERO, what="gradients")
    for learner in pair.values():
        train(learner, [(0, batch), (1, batch)], lr=LR)
    require_equal_state(pair, bar=STEP)
    return pair, batch


@pytest.mark.parametrize(("architecture", "task", "side", "fields"), CASES, ids=str)
def test_one_step_in_both_wings(architecture, task, side, fields, eager):
    one_step(small_card(architecture, task.answer), task, side, **fields)


def test_another_loss_is_seen(eager, monkeypatch):
    monkeypatch.setattr(tf_regression, "loss", faulty(tf_regression.loss))
    with pytest.raises(AssertionError, match="loss differ"):
        one_step(small_card("bert"), REGRESSION, "right")


def faulty(loss):
    """Return a loss that is not quite what it should be."""
    return lambda outputs, targets, objective: loss(outputs, targets, objective) * (1 + 1e-9)


STOCK_CLASSES = {
    ("bert", "regression"): "BertForSequenceClassification",
    ("gpt2", "regression"): "GPT2ForSequenceClassification",
}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("architecture", "task"), [("bert", REGRESSION), ("gpt2", REGRESSION)], ids=str)
def test_loss_and_gradients_are_those_of_transformers(architecture, task, side):
    card = without_noise(small_card(architecture, task.answer))
    batch = text_batch(card, task, side=side)
    loss, _, gradients = text_learners(card, task)["torch"].gradients(batch, step=0)
    theirs, their_gradients = stock(card, task, batch)
    assert loss == pytest.approx(theirs, rel=STOCK)
    require_equal(gradients, their_gradients, bar=STOCK, zero=ZERO, what="gradients")


def stock(card, task, batch):
    """Return loss and gradients of transformers' own class, which pads and shifts labels in its own way."""
    config = getattr(transformers, STOCK_CLASSES[card.config.architecture, task.name].partition("For")[0] + "Config")
    labels = 1 if task is REGRESSION else 5
    kind = {"problem_type": "regression"} if task is REGRESSION else {}
    config = config(**card.config.as_json(), num_labels=labels, attn_implementation="eager", **kind)
    model = getattr(transformers, STOCK_CLASSES[card.config.architecture, task.name])(config).double().train()
    tensors = start(card, labels)
    model.load_state_dict({name: torch.from_numpy(x) for name, x in tensors.items()}, strict=True)
    inputs = batch.inputs.arrays
    if task is REGRESSION and card.config.architecture == "bert":  # their head takes the first place, padding or not
        inputs = padded_on_the_right(inputs)
    given = {name: torch.from_numpy(x) for name, x in inputs.items()}
    places = (given["mask"].cumsum(1) * given["mask"] + card.config.first_position - 1).clamp(min=0)
    called = {"input_ids": given["ids"], "attention_mask": given["mask"], "position_ids": places}
    if card.config.types:
        called["token_type_ids"] = given["types"]
    loss = model(**called, labels=torch.from_numpy(batch.targets["values"])).loss
    weights = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(weights, gradients, strict=True)}


def in_parts(learner, batch):
    """Return loss and gradients of a batch that goes through the network in parts."""
    loss, _, gradients = learner.gradients(batch, step=3)
    return {"loss": np.array(loss), **gradients}


@pytest.mark.parametrize("fault", [None, "mean of means"])
@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_parts_add_up_to_the_whole(wing, fault, eager, monkeypatch):
    task, card = REGRESSION, small_card("gpt2")
    whole, parts = (text_learners(card, task, **fields)[wing] for fields in ({}, {"accumulate": 3, "batch_size": 2}))
    batch = text_batch(card, task)
    require_equal(in_parts(parts, batch), in_parts(whole, batch), bar=STEP, zero=ZERO)
