"""What text networks learn beside classes: the wings against each other and against transformers, in float64."""

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional as F
from transformers.loss.loss_utils import ForCausalLMLoss

from ft.backend.objective import Objective
from ft.data.targets import count
from ft.metrics.entities import NO_LABEL
from ft.parity.arrays import BARS, ZERO, require_equal
from ft.recipe import Recipe
from ft.tasks.language_model import LANGUAGE_MODEL
from ft.tasks.regression import REGRESSION
from ft.tasks.task import Task
from ft.tasks.token_classification import TAGGING
from ft_tf.tasks import TASKS as tf_losses
from ft_torch.tasks import TASKS as torch_losses
from parity_tests.support.one_step import require_equal_state, train
from parity_tests.support.text_tasks import TAGS, seen, text_batch, text_learners
from parity_tests.support.texts import ENDS, padded_on_the_right, small_card, start, without_noise
from parity_tests.support.texts import STOCK as STOCK_CLASSES


def named(value):
    """Return a parameter of a test in words."""
    return value.name if isinstance(value, Task) else str(value)


STEP = BARS["float64"]["step"]
STOCK = 1e-12
LR = np.float64(0.01)
WEIGHTS = (0.5, 2.0, 1.0, 1.5, 0.25)  # of the tags
CASES = [
    ("bert", REGRESSION, "right", {}),
    ("gpt2", REGRESSION, "left", {"accumulate": 2, "batch_size": 3}),
    ("bert", TAGGING, "left", {}),
    ("distilbert", TAGGING, "right", {"class_weights": WEIGHTS, "label_smoothing": 0.1, "loss": "focal"}),
    ("gpt2", TAGGING, "left", {"accumulate": 3, "batch_size": 2, "label_smoothing": 0.1}),
    ("gpt2", LANGUAGE_MODEL, "right", {}),
    ("gpt2", LANGUAGE_MODEL, "left", {"accumulate": 3, "batch_size": 2}),
]


def one_step(card, task, side, **fields):
    """Compare loss, logits, every gradient, and all state after two updates; return the learners and the batch."""
    pair, batch = text_learners(card, task, momentum=0.9, **fields), text_batch(card, task, side=side)
    results = [learner.gradients(batch, step=3) for learner in pair.values()]
    losses, outputs, gradients = zip(*results, strict=True)
    require_equal(*({"loss": np.array(loss)} for loss in losses), bar=STEP, what="loss")
    require_equal(*(seen(batch, own) for own in outputs), bar=STEP, what="logits")
    require_equal(*gradients, bar=STEP, zero=ZERO, what="gradients")
    for learner in pair.values():
        train(learner, [(0, batch), (1, batch)], lr=LR)
    require_equal_state(pair, bar=STEP)
    return pair, batch


@pytest.mark.parametrize(("architecture", "task", "side", "fields"), CASES, ids=named)
def test_one_step_in_both_wings(architecture, task, side, fields, eager):
    one_step(small_card(architecture, task.answer), task, side, **fields)


@pytest.mark.parametrize("task", [REGRESSION, TAGGING, LANGUAGE_MODEL], ids=named)
def test_another_loss_is_seen(task, eager, monkeypatch):
    native = tf_losses[task.objective(Recipe(), None).task]
    monkeypatch.setattr(native, "loss", faulty(native.loss))
    with pytest.raises(AssertionError, match="loss differ"):
        one_step(small_card("gpt2", task.answer), task, "right")


def faulty(loss):
    """Return a loss that is not quite what it should be."""
    return lambda outputs, targets, objective: loss(outputs, targets, objective) * (1 + 1e-9)


STOCK_CASES = [
    ("bert", REGRESSION),
    ("gpt2", REGRESSION),
    ("bert", TAGGING),
    ("gpt2", TAGGING),
    ("gpt2", LANGUAGE_MODEL),
]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("architecture", "task"), STOCK_CASES, ids=named)
def test_loss_and_gradients_are_those_of_transformers(architecture, task, side):
    card = without_noise(small_card(architecture, task.answer))
    batch = text_batch(card, task, side=side)
    loss, _, gradients = text_learners(card, task)["torch"].gradients(batch, step=0)
    theirs, their_gradients = stock(card, task, batch)
    assert loss == pytest.approx(theirs, rel=STOCK)
    require_equal(gradients, their_gradients, bar=STOCK, zero=ZERO, what="gradients")


def stock(card, task, batch):
    """Return loss and gradients of transformers' own class, which pads and shifts labels in its own way."""
    name, labels = STOCK_CLASSES[card.config.architecture], 1 if task is REGRESSION else len(TAGS)
    kind = {"problem_type": "regression"} if task is REGRESSION else {}
    config = getattr(transformers, f"{name}Config")(
        **card.config.as_json(), num_labels=labels, attn_implementation="eager", **kind
    )
    model = getattr(transformers, f"{name}{ENDS[card.answer]}")(config).double().train()
    tensors = start(card, labels)
    if task is LANGUAGE_MODEL:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    model.load_state_dict({name: torch.from_numpy(x) for name, x in tensors.items()}, strict=True)
    inputs = batch.inputs.arrays
    if task is REGRESSION and card.config.architecture == "bert":  # their head takes the first place, padding or not
        inputs = padded_on_the_right(inputs)
    given = {name: torch.from_numpy(x) for name, x in inputs.items()}
    places = (given["mask"].cumsum(1) * given["mask"] + card.config.first_position - 1).clamp(min=0)
    called = {"input_ids": given["ids"], "attention_mask": given["mask"], "position_ids": places}
    if card.config.types:
        called["token_type_ids"] = given["types"]
    if task is LANGUAGE_MODEL:
        loss = of_their_logits(model(**called).logits, given)
    else:
        loss = model(**called, labels=torch.from_numpy(next(iter(batch.targets.values())))).loss
    weights = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(weights, gradients, strict=True)}


def of_their_logits(logits, given):
    """Return transformers' loss of a language model, but for its way through float32; a text's first token has none."""
    starts = given["mask"] - F.pad(given["mask"], (1, 0))[:, :-1] == 1
    labels = torch.where((given["mask"] == 1) & ~starts, given["ids"], NO_LABEL)
    theirs = ForCausalLMLoss(logits, labels, logits.shape[-1])
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NO_LABEL)
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-6)
    return loss


def in_parts(learner, batch):
    """Return loss and gradients of a batch that goes through the network in parts."""
    loss, _, gradients = learner.gradients(batch, step=3)
    return {"loss": np.array(loss), **gradients}


@pytest.mark.parametrize("task", [REGRESSION, TAGGING, LANGUAGE_MODEL], ids=named)
@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_parts_add_up_to_the_whole(wing, task, eager):
    require_parts_add_up(wing, task)


def test_a_mean_of_means_is_seen(monkeypatch):
    monkeypatch.setattr(Objective, "weights", lambda self, targets: np.ones(count(targets)))
    with pytest.raises(AssertionError, match="differ in"):
        require_parts_add_up("torch", TAGGING)


def require_parts_add_up(wing, task):
    card, batch = small_card("gpt2", task.answer), text_batch(small_card("gpt2"), task)
    fields = {"label_smoothing": 0.1} if task is not REGRESSION else {}
    whole, parts = (
        in_parts(text_learners(card, task, **fields, **more)[wing], batch)
        for more in ({}, {"accumulate": 3, "batch_size": 2})
    )
    require_equal(parts, whole, bar=STEP, zero=ZERO)


def test_the_loss_is_that_of_torch():
    """With class weights, label smoothing and tokens that count for nothing."""
    batch = text_batch(small_card("bert"), TAGGING)
    labels, logits = torch.from_numpy(batch.targets["tokens"]), torch.randn(6, 12, 5, dtype=torch.float64)
    assert 0 < (labels == NO_LABEL).sum() < labels.numel() - 20
    objective = Objective("tokens", "cross-entropy", label_smoothing=0.1, class_weights=WEIGHTS)
    ours = torch_losses["tokens"].loss({"logits": logits}, {"tokens": labels}, objective)
    weight, rows = torch.tensor(WEIGHTS, dtype=torch.float64), logits.flatten(0, 1)
    theirs = F.cross_entropy(rows, labels.flatten(), weight, ignore_index=NO_LABEL, label_smoothing=0.1)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-14)
