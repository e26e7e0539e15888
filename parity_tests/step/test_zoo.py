"""Every network of the zoo, whole, in float64 and both wings: inference, layer by layer, training, gradients, a step.

Drawn weights, every constant start randomised, noise layers on. `make test` takes the smallest network of each family,
but for what test_step.py trains anyway and for what takes more than a minute; `make parity` takes all, large ones last.
"""

from tempfile import TemporaryDirectory

import pytest

from ft.backend.calls import Calls
from ft.parity.verdict import compare_arrays
from ft.zoo import Card, cards
from parity_tests.support.networks import (
    GIANT,
    LARGE_IMAGES,
    ON_DISK,
    compare_outcomes,
    marks_of,
    run_network,
    smallest_of_each_family,
)
from parity_tests.support.pairs import FORWARD

pytestmark = pytest.mark.usefixtures("eager")
COVERED = {"resnet18", "efficientnet_lite0"}


def cases() -> list:
    """Return the card of every network, all but the quick ones marked slow, those that want the memory alone large."""
    quick = {card.name for card in smallest_of_each_family() if is_quick(card)} - COVERED
    return [
        pytest.param(card, id=card.name, marks=[] if card.name in quick else marks_of(card, record=True))
        for card in cards()
    ]


def is_quick(card: Card) -> bool:
    """Whether a network takes less than a minute."""
    return card.parameters < ON_DISK and card.family not in LARGE_IMAGES


@pytest.mark.parametrize("card", cases())
def test_network(card, say):
    with TemporaryDirectory() as folder:
        torch, tf = run_network(card, folder, record=card.parameters < GIANT)
        parts = compare_outcomes(torch, tf)
    say(
        f"{card.name}: inference {parts['inference'].largest:.1e}, gradients {parts['whole gradients'].largest:.1e}, "
        f"step {parts['whole step'].largest:.1e}, {len(parts['whole gradients'].zeros)} gradients zero but for rounding"
    )
    faults = {part: comparison.faults for part, comparison in parts.items()}
    assert not any(faults.values()), faults
    assert not layer_faults(torch.inference, tf.inference)
    assert torch.training.calls.keys() == tf.training.calls.keys()


def layer_faults(a: Calls, b: Calls) -> list[str]:
    """Return the layer calls that only one wing recorded, or whose outputs differ."""
    faults = [f"{key} is in one wing only" for key in a.calls.keys() ^ b.calls.keys()]
    for key in a.calls.keys() & b.calls.keys():
        axes = a.calls[key].axes, b.calls[key].axes
        row, _ = compare_arrays(None, "inference", key, a.arrays[key], b.arrays[key], FORWARD, axes=axes)
        faults += [f"{key}: {row.fault or row.relative}"] if row.differs else []
    return faults
