"""Every network of the zoo, whole, in float64 and both wings: inference, training forward, every gradient, a step.

Drawn weights, every constant start randomised, noise layers on. `make test` takes the smallest network of each family,
but for what test_step.py trains anyway and for what takes more than ten gigabytes or a minute; `make parity` takes all
that fit into 20 GB.
"""

import pytest

from ft.zoo import cards
from parity_tests.figures import case_of, compare_inference, compare_step, images_of
from parity_tests.pairs import learners

pytestmark = pytest.mark.usefixtures("eager")
COVERED = {"resnet18", "efficientnet_lite0"}
HEAVY = {"vgg", "inception", "maxvit"}
LARGEST = 100_000_000  # parameters: in float64 both wings, their gradients and slots take 150 bytes each


def cases() -> list:
    """Return the card of every network that fits, all but the quick ones marked slow."""
    fitting = [card for card in cards() if card.parameters <= LARGEST or card.family == "vgg"]
    smallest = {card.family: card.name for card in sorted(fitting, key=lambda card: -card.parameters)}
    quick = {name for family, name in smallest.items() if family not in HEAVY} - COVERED
    slow = pytest.mark.slow
    return [pytest.param(card, id=card.name, marks=[] if card.name in quick else [slow]) for card in fitting]


@pytest.mark.parametrize("card", cases())
def test_network(card):
    pair, (images, labels) = learners(case_of(card)), images_of(card)
    inference = compare_inference(pair, images)
    found = compare_step(pair, pair["torch"].get_weights(), images, labels)
    faults = {part: comparison.faults for part, comparison in {"inference": inference, **found}.items()}
    print(
        f"{card.name}: inference {inference.largest:.1e}, gradients {found['gradients'].largest:.1e}, "
        f"step {found['step'].largest:.1e}, {len(found['gradients'].zeros)} gradients zero but for rounding"
    )
    assert not any(faults.values()), faults
