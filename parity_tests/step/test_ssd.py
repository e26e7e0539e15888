"""Learning by SSD, in both wings: kept maps, pictures without boxes, one graph, a fault that is seen.

Its BatchNorms learn, also those of maps of one place, which see a value a picture.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ft.backend.contract import Learner
from ft.data import Batch
from ft.parity.arrays import ZERO, compare, require_equal
from ft.zoo import find_card
from ft_tf.layers import count_of_losses
from ft_tf.tasks import onestage as tf_losses
from parity_tests.step.test_onestage import start_of
from parity_tests.support.detectors import boxes_batch
from parity_tests.support.pairs import CLASSES, STEP, Case, learners, one_learner

CARD = find_card("ssdlite320_mobilenet_v2")
ONE_PLACE = "backbone.extra.3.1.1.running_mean"  # of a BatchNorm whose map has one place


@pytest.fixture(scope="module")
def base_pair() -> dict[str, Learner]:
    """A frozen base whose statistics are those of a batch: with drawn ones its maps are the same for all pictures."""
    case = Case(CARD.name, "none", {"image_size": 96, "weights": "none", "batch_size": 4})
    whole = one_learner("torch", case.recipe())
    whole.set_weights(start_of(CARD))
    for layer in whole.model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    whole.gradients(small(9), step=0)
    return learners(replace(case, freeze="base"), tensors=whole.get_weights())


def small(seed: int, *, most: int = 8) -> Batch:
    return boxes_batch(seed, count=4, classes=CLASSES, sides=(64, 71), most=most)


def test_a_frozen_base_and_its_kept_maps(base_pair):
    """The base's maps in place of pictures give the same step; the base neither trains nor moves, the rest does."""
    given = small(1)
    before = {name: learner.get_weights() for name, learner in base_pair.items()}
    found = {name: learner.gradients(given, step=3) for name, learner in base_pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    assert {CARD.stage_of(name) for name in found["torch"][2]} == {"extra", "head"}
    for name, learner in base_pair.items():
        after = learner.get_weights()
        moved = {path for path in after if not np.array_equal(after[path], before[name][path])}
        assert {CARD.stage_of(path) for path in moved} == {"extra", "head"}
        assert ONE_PLACE in moved
        kept = learner.features(given.inputs)
        assert set(kept.taps) == {*CARD.taps, "images"}
        from_maps = learner.gradients(replace(given, inputs=kept), step=3)
        require_equal(from_maps[2], found[name][2], bar=STEP, what=f"{name} from maps")
        require_equal(learner.outputs(kept), learner.outputs(given.inputs), bar=STEP, what=f"{name} found")


def test_pictures_without_boxes(base_pair):
    """Without objects there are no hard negatives: nothing is learnt, and nothing is divided by nothing."""
    given = small(4)
    given.targets["box_labels"][:] = -1
    for learner in base_pair.values():
        loss, _, gradients = learner.gradients(given, step=3)
        assert loss == 0
        assert not any(gradient.any() for gradient in gradients.values())


def test_steps_of_any_number_of_boxes_are_one_graph(base_pair):
    learner = base_pair["tf"]
    before = len(learner.run_step.others)
    for step, most in enumerate((8, 16, 24)):
        learner.step(small(step, most=most), step=step, lr=np.float64(0))
    graphs = list(learner.run_step.others.values())
    assert len(graphs) - before <= 1
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1]


def test_other_negatives_in_one_wing_are_seen(base_pair, monkeypatch):
    given = small(3)
    sound = base_pair["torch"].gradients(given, step=3)
    monkeypatch.setattr(tf_losses, "count_of_losses", lambda losses, kinds, ratio: count_of_losses(losses, kinds, 2.0))
    assert compare(sound[2], base_pair["tf"].gradients(given, step=3)[2], bar=STEP, zero=ZERO).faults
