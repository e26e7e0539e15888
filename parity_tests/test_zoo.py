"""Every network of the zoo, whole, in float64 and both wings: inference, training forward, every gradient, a step.

Drawn weights, every constant start randomised, noise layers on. `make test` takes the smallest network of each family.
"""

import gc

import numpy as np
import pytest

from ft.compare import ZERO, require_equal
from ft.zoo import Card, cards
from parity_tests.pairs import FORWARD, STEP, Case, batch, learners

pytestmark = pytest.mark.usefixtures("eager")
# the smallest at which every BatchNorm sees 32 values of a batch; Inception's auxiliary head makes 4 x 4 of its own
SIZES = {"inception": 443, "maxvit": 224}


def cases() -> list:
    """Return every card; all but the smallest network of each family are slow, and so is what test_step.py trains."""
    smallest = {card.family: card.name for card in sorted(cards(), key=lambda card: -card.parameters)}
    quick = {*smallest.values()} - {"resnet18", "efficientnet_lite0"}
    slow = pytest.mark.slow
    return [pytest.param(card, id=card.name, marks=[] if card.name in quick else [slow]) for card in cards()]


def image_size(card: Card) -> int:
    """Return the size of the test images: 64 pixels, or the next that the network can take."""
    size = SIZES.get(card.family, max(64, card.min_size))
    return -(-size // card.size_step) * card.size_step


@pytest.mark.parametrize("card", cases())
def test_network(card):
    size = image_size(card)
    case = Case(card.name, "none", {"image_size": size, "weights": "none"})
    pair, (images, labels) = learners(case), batch(0, size=size, count=2 if size > 200 else 8)
    start = pair["torch"].get_weights()

    logits = [{"logits": learner.logits(images)} for learner in pair.values()]
    inference = require_equal(*logits, bar=FORWARD, what="inference logits").largest

    loss, training, gradients = zip(*(p.gradients(images, labels, step=7) for p in pair.values()), strict=True)
    assert abs(loss[0] - loss[1]) <= STEP * abs(loss[0])
    require_equal({"logits": training[0]}, {"logits": training[1]}, bar=STEP, what="training logits")
    found = require_equal(*gradients, bar=STEP, zero=ZERO, what="gradients")

    for learner in pair.values():
        learner.set_weights(start)
        learner.step(images, labels, step=0, lr=np.float64(0.001))
    ends = [learner.get_weights() for learner in pair.values()]
    step = require_equal(*ends, bar=STEP, what="weights and statistics").largest
    require_equal(*(learner.get_slots() for learner in pair.values()), bar=STEP, zero=ZERO, what="momentum buffers")
    print(
        f"{card.name}: inference {inference:.1e}, gradients {found.largest:.1e}, step {step:.1e}, "
        f"{len(found.zeros)} gradients zero but for rounding"
    )
    del pair, start, ends, gradients
    gc.collect()
