"""The cards of networks for segmentation against torchvision; whose weights find which place; what is refused."""

from typing import Any

import numpy as np
import pytest

import ft_torch
from ft.errors import RecipeError
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.weights import initial_weights
from ft.weights.pretrained import canonical_names, pretrained_weights
from ft.zoo import cards, find_card
from ft.zoo.card import under
from tests.oracle import models, needs_torch, torch

pytestmark = needs_torch
CARDS = [pytest.param(card, id=card.name) for card in cards("segmentation")]
STOCK = models.list_models(module=models.segmentation)


def shapes_of(name, **options):
    with torch.device("meta"):
        return ft_torch.weight_shapes(ft_torch.build_model(name, **options))


def empty(shapes):
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


def is_head(card, name):
    return under(name, card.stages["head"])


def test_all_of_torchvisions_are_there_and_no_list_of_classification_has_them():
    names = {card.name for card in cards("segmentation")}
    assert names == {*STOCK, "fcn_mobilenet_v2", "deeplabv3_mobilenet_v2", "lraspp_mobilenet_v2"}
    assert not names & {card.name for card in cards()}


@pytest.mark.parametrize("card", CARDS)
def test_stages_taps_and_last_layers(card):
    with torch.device("meta"):
        model = ft_torch.build_model(card.name, num_classes=card.classes)
    assert sum(w.numel() for w in model.parameters()) == card.parameters
    for name in model.state_dict():
        assert [stage for stage, prefixes in card.stages.items() if under(name, prefixes)] == [card.stage_of(name)]
    last = [path for path, conv in model.named_modules() if getattr(conv, "out_channels", None) == card.classes]
    assert set(last) == set(card.outputs)
    assert set(model.backbone.return_layers.values()) == set(card.taps)
    for layer, tap in model.backbone.return_layers.items():
        assert card.taps[tap] == f"backbone.{layer}"


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", STOCK)
def test_published_weights_are_torchvisions(name):
    card, theirs = find_card(name), models.get_model_weights(name).DEFAULT
    ours, pixels = card.weights(theirs.name), theirs.transforms()
    assert (ours.url, ours.url.rpartition("/")[2]) == (theirs.url, ours.filename)
    assert theirs.url.endswith(f"-{ours.sha256}.pth")
    assert (ours.preprocess.resize, ours.preprocess.interpolation) == (*pixels.resize_size, pixels.interpolation.value)
    assert (list(ours.preprocess.mean), list(ours.preprocess.std)) == (pixels.mean, pixels.std)
    assert list(ours.classes) == theirs.meta["categories"]
    assert card.classes == len(ours.classes)
    assert (card.parameters, ours.mean_iou) == (theirs.meta["num_params"], meaning(theirs)["miou"])
    assert card.weights("imagenet").name == "IMAGENET1K_V1"


def meaning(entry):
    return entry.meta["_metrics"]["COCO-val2017-VOC-labels"]


@pytest.mark.parametrize("card", CARDS)
def test_a_classification_network_s_tensors_fill_the_backbone(card):
    shapes, body = shapes_of(card.name), card.name.partition("_")[2]
    placed = canonical_names(card, empty(shapes_of(body)))
    assert {n: t.shape for n, t in placed.items()} == {n: s for n, s in shapes.items() if not is_head(card, n)}
    assert card.new_head(placed) == card.stages["head"]
    whole = canonical_names(card, empty(shapes))
    assert {n: t.shape for n, t in whole.items()} == shapes
    assert card.new_head(whole) == card.outputs


def test_real_weights_give_the_maps_that_they_give_in_their_own_network():
    card = find_card("lraspp_mobilenet_v2")
    tensors = dict(pretrained_weights(card, "imagenet", quiet=True))
    model = ft_torch.build_model(card.name, num_classes=5)
    head = {name: s for name, s in ft_torch.weight_shapes(model).items() if is_head(card, name)}
    ft_torch.set_weights(model, tensors | initial_weights(head, seed=0))
    own = ft_torch.build_model("mobilenet_v2")
    ft_torch.set_weights(own, pretrained_weights(find_card("mobilenet_v2"), "imagenet", quiet=True))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():  # up to the dilated stage the two are one
        torch.testing.assert_close(model.eval().backbone(x)["low"], own.eval().features[:5](x), rtol=0, atol=0)


def test_what_cannot_be_done_yet_is_said():
    every: tuple[dict[str, Any], ...] = ({"cut": "layer4"}, {"change": "backbone.conv1:stride=1"}, {"in_channels": 1})
    for asked in every:
        with pytest.raises(
            RecipeError, match="fcn_resnet50: cut, change and in_channels are not there for segmentation"
        ):
            plan_surgery(find_card("fcn_resnet50"), Recipe(model="fcn_resnet50", **asked))
