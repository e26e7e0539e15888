"""Text networks: the wings against each other and against transformers, in float64, from the same tensors.

The batch has a whole text, one padded on the right, one on the left and one of a single token.
"""

import pytest

from ft.parity.arrays import BARS, ZERO, require_equal
from ft.weights import cast
from ft.weights.text_files import text_weights
from ft.zoo import find_text_card
from parity_tests.support.texts import run_stock, run_tf, run_torch, small_card, start, texts

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
    torch, tf = (run(card, tensors, inputs, training=False) for run in (run_torch, run_tf))
    require_equal({"logits": torch["logits"]}, {"logits": tf["logits"]}, bar=FORWARD, what="inference")
    torch, tf = (run(card, tensors, inputs, training=True) for run in (run_torch, run_tf))
    parts = [{name: found.pop(name) for name in ("logits", "loss")} for found in (torch, tf)]
    require_equal(*parts, bar=STEP, what="training forward")
    found = require_equal(torch, tf, bar=STEP, zero=ZERO, what="gradients")
    assert set(found.zeros) <= {name for name in torch if is_key_bias(name)}


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


@pytest.mark.parametrize("head", ["mean", "reference"])
def test_minilm_with_its_real_weights(head):
    """The whole network, its published tensors, a head drawn; both wings, and transformers' class."""
    card = find_text_card("minilm_l6").with_head(pool=head)
    tensors = {**start(card), **cast(text_weights(card), "float64")}
    inputs = texts(card, length=12)
    torch, tf = (run(card, tensors, inputs, training=False) for run in (run_torch, run_tf))
    require_equal({"logits": torch["logits"]}, {"logits": tf["logits"]}, bar=FORWARD, what="inference")
    if head == "reference":
        require_equal(torch, run_stock(card, tensors, inputs), bar=STOCK, zero=ZERO, what="wing and transformers")
    pair = [run(card, tensors, inputs, training=True) for run in (run_torch, run_tf)]
    found = require_equal(*pair, bar=STEP, zero=ZERO, what="training")
    assert len(found.zeros) == card.config.layers
