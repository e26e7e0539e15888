"""Networks told by their tensors' shapes, and the table of fingerprints against the networks themselves."""

import numpy as np
import pytest

import ft_torch
from ft.weights.fingerprints import measure, sizes
from ft.weights.recognise import recognise
from ft.zoo import cards, find_card
from ft.zoo.card import under
from ft.zoo.fingerprint import fingerprint, known
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
QUICK = {"squeezenet1_1", "shufflenet_v2_x0_5", "efficientnet_lite0", "vit_b_32", "googlenet"}
ROWS = [
    pytest.param(card, size, id=f"{card.name}-{size}", marks=[] if card.name in QUICK else [pytest.mark.slow])
    for card in cards(None)
    for size in sizes(card)
]


def shapes_of(name, **options):
    with torch.device("meta"):
        return ft_torch.weight_shapes(ft_torch.build_model(name, **options))


def empty(shapes):
    """Return tensors of these shapes that take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


def names(fits):
    return [(fit.card.name, fit.image_size) for fit in fits]


def test_every_network_has_a_fingerprint_of_its_own():
    assert [(row.model, row.image_size) for row in known()] == [
        (card.name, size) for card in cards(None) for size in sizes(card)
    ]
    # Keras's VGG and MobileNetV2 have the shapes of torchvision's, but for the names of their output layers; of Faster
    # R-CNN on MobileNetV3 there is one for small pictures, of the same tensors
    found = [(row.sha256, find_card(row.model)) for row in known()]
    prints = {(sha256, card.outputs, card.preprocess.crop if card.detector else 0) for sha256, card in found}
    assert len(prints) == len(known()), "several networks have one fingerprint"


@pytest.mark.parametrize(("card", "size"), ROWS)
def test_the_table_is_up_to_date(card, size):
    """If this fails after a network was added or changed, run `python -m ft.weights.fingerprints`."""
    assert measure(card, size) in known()


def test_a_fingerprint_knows_neither_order_nor_layout():
    assert fingerprint([(8, 3, 5, 5), (8,), ()]) == fingerprint([(8,), (5, 5, 3, 8)])
    assert fingerprint([(8, 1, 5, 5)]) == fingerprint([(5, 5, 8, 1)])
    assert fingerprint([(8, 3)]) != fingerprint([(8,), (3,)])
    assert fingerprint([(8, 3)]) != fingerprint([(8, 3), (8, 3)])


@pytest.mark.parametrize(
    ("name", "classes", "options"),
    [
        ("squeezenet1_1", 1, {}),
        ("shufflenet_v2_x0_5", 1000, {}),
        ("googlenet", 24, {}),
        ("vit_b_32", 3, {"image_size": 224}),
    ],
)
def test_any_number_of_classes(name, classes, options):
    fits = recognise(empty(shapes_of(name, num_classes=classes, options=options)))
    assert names(fits) == [(name, options.get("image_size"))]


def test_published_sizes_tell_the_image_size():
    assert names(recognise(empty(shapes_of("vit_b_16", options={"image_size": 384})))) == [("vit_b_16", 384)]
    assert recognise(empty(shapes_of("vit_b_16", options={"image_size": 160}))) == []


def test_tensors_in_keras_names_and_layouts():
    shapes = shapes_of("shufflenet_v2_x0_5", num_classes=5)
    turned = {
        f"{name.rpartition('.')[0]}/{i}": tuple(reversed(shape)) for i, (name, shape) in enumerate(shapes.items())
    }
    assert names(recognise(empty(turned))) == [("shufflenet_v2_x0_5", None)]


def test_counters_do_not_count():
    shapes = {n: s for n, s in shapes_of("shufflenet_v2_x0_5").items() if not n.endswith("num_batches_tracked")}
    assert names(recognise(empty(shapes))) == [("shufflenet_v2_x0_5", None)]


def test_another_network_is_not_recognised():
    shapes = shapes_of("squeezenet1_1")
    assert recognise(empty({**shapes, "more.weight": (3, 3)})) == []
    assert recognise(empty(dict(list(shapes.items())[:-4]))) == []
    assert recognise({}) == []


def test_output_layers_are_told_by_name():
    card = find_card("googlenet")
    shapes = shapes_of("googlenet")
    assert len([name for name in shapes if under(name, card.outputs)]) == 6
    assert recognise(empty({name.replace("fc.", "last."): shape for name, shape in shapes.items()})) == []
