"""Text networks: the wings against each other and against transformers, in float64, from the same tensors.

The batch has a whole text, one padded on the right, one on the left and one of a single token.
"""

import logging
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor

import ft_tf
import ft_torch
from ft.parity.arrays import BARS, ZERO, require_equal
from ft.parity.tracing import WINGS, trace_recipe
from ft.parity.verdict import compare_traces
from ft.recipe import Recipe
from ft.weights import cast
from ft.weights.text_files import text_weights
from ft.zoo import find_text_card
from ft.zoo.card import under
from parity_tests.support.text_runs import FIELDS, table, tiny_folder
from parity_tests.support.texts import CLASSES, of_tokens, run_stock, run_tf, run_torch, small_card, start, texts

FORWARD, STEP = BARS["float64"]["inference"], BARS["float64"]["step"]
STOCK = 1e-12
CASES = [
    ("bert", "sequence", "reference"),
    ("bert", "tokens", None),
    ("distilbert", "sequence", "reference"),
    ("distilbert", "tokens", None),
    ("roberta", "sequence", "reference"),
    ("roberta", "tokens", None),
    ("gpt2", "sequence", "reference"),
    ("gpt2", "tokens", None),
    ("gpt2", "lm", None),
]
POOLED = [("bert", "sequence", "mean"), ("roberta", "sequence", "last"), ("distilbert", "sequence", "cls")]
NAMES = {"ids": lambda case: "-".join(filter(None, case))}


@pytest.mark.parametrize("case", [*CASES, *POOLED], **NAMES)
def test_one_step_in_both_wings(case):
    card = small_card(*case)
    tensors, inputs = start(card), texts(card)
    homes = {name: [stage for stage, paths in card.stages.items() if under(name, paths)] for name in tensors}
    assert {name: stages for name, stages in homes.items() if len(stages) != 1} == {}
    assert set(card.stages) - {"head" * (case[1] == "lm")} == {stage for stages in homes.values() for stage in stages}
    pair = [run(card, tensors, inputs, training=False) for run in (run_torch, run_tf)]
    require_equal(*({"logits": own["logits"]} for own in pair), bar=FORWARD, what="inference")
    pair = [run(card, tensors, inputs, training=True) for run in (run_torch, run_tf)]
    forward = [{name: own.pop(name) for name in ("logits", "loss")} for own in pair]
    require_equal(*forward, bar=STEP, what="training forward")
    apart = require_equal(*pair, bar=STEP, zero=ZERO, what="gradients")
    assert set(apart.zeros) == {name for name in pair[0] if is_key_bias(name)}


def is_key_bias(name: str) -> bool:
    """Tell whether a bias only shifts all scores of a row, which softmax does not see."""
    return name.endswith(("key.bias", "k_lin.bias"))


@pytest.mark.parametrize("case", CASES, **NAMES)
def test_as_transformers_does(case):
    """Stock classes take the tensors strictly; outputs, loss and gradients are theirs."""
    card = small_card(*case)
    tensors, inputs = start(card), texts(card)
    require_equal(
        run_torch(card, tensors, inputs, training=False), run_stock(card, tensors, inputs), bar=STOCK, zero=ZERO
    )


@pytest.mark.parametrize("case", [case for case in CASES if case[1] != "lm"] + POOLED, **NAMES)
def test_base_and_head_are_the_network(case):
    """What the head takes is the same in both wings, and base and head one after the other are the whole."""
    card = small_card(*case)
    tensors, inputs = start(card), texts(card)
    split = [parts(wing, card, tensors, inputs) for wing in (ft_torch, ft_tf)]
    for (whole, _), (features, logits) in split:
        require_equal({"logits": logits}, {"logits": whole}, bar=FORWARD, what="in two parts")
        assert features.shape == ((4, 24) if card.answer == "sequence" else (4, 9, 24))
    kept = [{"features": of_tokens(card, features, inputs)} for _, (features, _) in split]
    require_equal(*kept, bar=FORWARD, what="features")


def parts(wing, card, tensors, inputs):
    """Return a wing's logits and nothing, then its features and the logits that the head makes of them."""
    make, array = {"ft_torch": (torch.from_numpy, Tensor.numpy), "ft_tf": (tf.constant, np.asarray)}[wing.__name__]
    model = wing.build_text(card, num_classes=CLASSES, dtype="float64")
    wing.set_weights(model, tensors)
    given = {name: make(x) for name, x in inputs.items()}
    with torch.inference_mode():
        if wing is ft_torch:
            model.eval()
        base, head = wing.split_text(model)
        features = base(given)
        return (array(model(given)), None), (array(features), array(head(features)))


@pytest.mark.parametrize(
    ("architecture", "functions"),
    [("distilbert", ()), ("roberta", ("classifier.tanh",))],
    ids=("distilbert", "roberta"),
)
def test_traces_of_a_training_are_equal(architecture, functions, tmp_path, eager, say):
    """Every layer, every gradient and one step of AdamW from a folder's weights, behind a head that starts anew.

    functions: layers of the Keras wing that stock code of transformers calls as a function, so that no trace has them.
    """
    model, data = tiny_folder(tmp_path / "network", architecture), table(tmp_path / "d.csv")
    more = {"optimizer": "adamw", "clip_norm": 0.5, "label_smoothing": 0.1, "decay_exempt": "norms-and-biases"}
    recipe = Recipe(**{**FIELDS, **more, "pad_side": "left", "model": model, "data": data})
    traces = [trace_recipe(recipe, tmp_path / wing, backend=wing, steps=1) for wing in WINGS]
    verdict = compare_traces(*traces)
    assert verdict.first is None, verdict
    assert verdict.unpaired == tuple(f"{phase} {name}" for phase in ("inference", "forward") for name in functions)
    phases = Counter(row.phase for row in verdict.rows)
    assert phases["inference"] == phases["forward"] > 30
    say(f"{architecture}: " + ", ".join(f"{phase} {verdict.largest(phase):.1e} of {n}" for phase, n in phases.items()))


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "gpt2"])
def test_padding_says_nothing(architecture):
    """A text alone, padded on the right, on the left and to another length: the same logits, in training shapes too."""
    card = small_card(architecture)
    tensors, alone = start(card), {name: x[:1, :6] for name, x in texts(card).items()}
    pad = {"ids": card.config.pad or 0}

    def padded(left: int, right: int) -> dict[str, np.ndarray]:
        return {name: np.pad(x, ((0, 0), (left, right)), constant_values=pad.get(name, 0)) for name, x in alone.items()}

    for run in (run_torch, run_tf):
        expected, *others = (
            run(card, tensors, padded(*sides), training=False) for sides in [(0, 0), (0, 3), (3, 0), (4, 2)]
        )
        for other in others:
            require_equal(other, expected, bar=STEP, zero=ZERO, what=run.__name__)


def test_a_vocabulary_of_its_own_draws_no_warning():
    heard = []
    handler = logging.Handler()
    handler.emit = heard.append
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        for architecture in ("bert", "distilbert", "roberta", "gpt2"):
            ft_torch.build_text(small_card(architecture))
    finally:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in heard] == []


def test_one_graph_for_every_length():
    """TensorFlow's graph of texts of any number and length gives what the layers give one by one."""
    card = small_card("gpt2", "tokens")
    model = ft_tf.build_text(card, num_classes=CLASSES, dtype="float64")
    ft_tf.set_weights(model, start(card))
    names = ("ids", "mask")
    run = tf.function(model, input_signature=[{name: tf.TensorSpec((None, None), tf.int64) for name in names}])
    for length in (9, 13):
        given = {name: tf.constant(x) for name, x in texts(card, length=length).items()}
        require_equal({"logits": np.asarray(run(given))}, {"logits": np.asarray(model(given))}, bar=FORWARD)


@pytest.mark.parametrize("head", ["mean", pytest.param("reference", marks=pytest.mark.slow)])
def test_minilm_with_its_real_weights(head):
    """The whole network, its published tensors, a head drawn; both wings, and transformers' class."""
    card = find_text_card("minilm_l6").with_head(pool=head)
    tensors = {**start(card), **cast(text_weights(card), "float64")}
    inputs = texts(card, length=12)
    pair = [run(card, tensors, inputs, training=False) for run in (run_torch, run_tf)]
    require_equal(*({"logits": own["logits"]} for own in pair), bar=FORWARD, what="inference")
    if head == "reference":
        require_equal(pair[0], run_stock(card, tensors, inputs), bar=STOCK, zero=ZERO, what="wing and transformers")
    pair = [run(card, tensors, inputs, training=True) for run in (run_torch, run_tf)]
    apart = require_equal(*pair, bar=STEP, zero=ZERO, what="training")
    assert len(apart.zeros) == card.config.layers
