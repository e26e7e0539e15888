"""Surgery: the network comes apart into base and head, its names are canonical, and what does not fit is refused."""

import numpy as np
import pytest

from ft.errors import RecipeError
from tests.wings.installed import in_each_framework
from tests.wings.surgeries import ALL_KINDS, CLASSES, SIZE, altered

pytestmark = in_each_framework


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("resnet18", ALL_KINDS),
        ("resnet18", {"cut": "layer4", "pool": "gem", "head": "8-relu-dropout0.2"}),
        ("convnext_tiny", {"cut": "stage2", "pool": "gem", "head": "linear"}),
        ("googlenet", {"pool": "avg+max", "cut": "inception4"}),
    ],
)
def test_the_base_and_the_head_are_the_network(wing, framework, model, fields):
    network, card = altered(wing, model, **fields)
    base, head = wing.split(network, card)
    images = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, fields.get("in_channels", 3)))
    whole = framework.run(images, network)
    assert np.abs(whole).max() > 1e-3
    np.testing.assert_array_equal(framework.run(images, base, head), whole)


def test_names_shapes_and_stages_are_canonical(wing):
    network, card = altered(wing, "resnet18", **ALL_KINDS)
    shapes = wing.weight_shapes(network)
    assert shapes["conv1.weight"] == (64, 1, 7, 7)
    assert shapes["layer3.1.conv1.weight"] == (256, 256, 5, 5)
    assert shapes["avgpool.p"] == (1,)
    assert shapes["fc.0.weight"] == (8, 256)
    assert shapes["fc.1.running_var"] == (8,)
    assert shapes["fc.4.weight"] == (CLASSES, 8)
    stages = wing.stage_shapes(network, card, image_size=SIZE, channels=1)
    assert stages["stem"] == ((1, 64, 64), (64, 32, 32))
    assert stages["layer3"] == ((128, 8, 8), (256, 4, 4))
    assert stages["head"] == ((256, 4, 4), (CLASSES,))


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("resnet18", {"change": "layer2.0.conv1:stride=1"}, "layer2.0: the shapes no longer fit each other"),
        ("mobilenet_v3_small", {"cut": "stage4"}, "classifier.0, the first layer of mobilenet_v3_small's own head"),
    ],
)
def test_what_does_not_fit_is_refused(wing, model, fields, words):
    with pytest.raises(RecipeError, match=words):
        altered(wing, model, **fields)
