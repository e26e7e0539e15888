"""The cards against torchvision and the published files: sizes, stages, sources, pixels and labels."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import ft_torch
from ft.errors import RecipeError, WeightsError
from ft.weights import package_file, read_weights
from ft.zoo import cards, find_card, imagenet_classes, imagenet_ids
from ft.zoo.card import under
from tests.oracle import models, needs_torch, torch

pytestmark = needs_torch
CARDS = [pytest.param(card, id=card.name) for card in cards()]
STOCK = [pytest.param(card, id=card.name) for card in cards() if card.name in models.list_models(module=models)]
LITES = [pytest.param(card, id=card.name) for card in cards() if card.family == "efficientnet_lite" and card.pretrained]


def build(card):
    """Return the card's network without memory for its weights."""
    with torch.device("meta"):
        return ft_torch.build_model(card.name)


@pytest.mark.parametrize("card", CARDS)
def test_stages_sizes_and_last_layers(card):
    model = build(card)
    names = list(model.state_dict())
    for name in names:
        assert [stage for stage, prefixes in card.stages.items() if under(name, prefixes)] == [card.stage_of(name)]
    assert {card.stage_of(name) for name in names} == set(card.stages)
    order = [list(card.stages).index(card.stage_of(name)) for name in names]
    assert order == sorted(order)  # from input to head
    assert list(card.stages)[-1] == "head"
    assert card.stages["head"] in ((card.head,), ("dropout", card.head), ("top_dropout", card.head))
    assert sum(w.numel() for w in model.parameters()) == card.parameters
    last = model.get_submodule(card.last)
    assert getattr(last, "out_features", None) == 1000 or last.out_channels == 1000
    assert under(card.last, (card.head,))
    assert under(names[-1], (card.last,))
    for path in card.auxiliary:
        assert model.get_submodule(path).out_features == 1000


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")  # theirs, never run
@pytest.mark.parametrize("card", STOCK)
def test_cards_are_torchvisions(card):
    enum = models.get_model_weights(card.name)
    if not card.auxiliary:  # GoogLeNet's figure leaves them out
        assert enum.DEFAULT.value.meta["num_params"] == card.parameters
    shipped = [entry.name for entry in card.pretrained if entry.package]
    assert card.weights("imagenet").name == (shipped or [enum.DEFAULT.name])[0]
    assert {entry.name for entry in card.pretrained} == {member.name for member in enum}
    for entry in card.pretrained:
        theirs = enum[entry.name].value
        pixels = theirs.transforms()
        assert entry.url == theirs.url
        assert theirs.url.endswith(f"-{entry.sha256}.pth")
        assert theirs.url.rpartition("/")[2] == entry.filename
        ours = entry.preprocess
        assert ([ours.resize], [ours.crop], ours.interpolation) == (
            pixels.resize_size,
            pixels.crop_size,
            pixels.interpolation.value,
        )
        if card.family in ("googlenet", "inception"):  # their models rescale to this themselves
            assert ours.mean == ours.std == (0.5, 0.5, 0.5)
        else:
            assert (list(ours.mean), list(ours.std)) == (list(pixels.mean), list(pixels.std))
        top1 = theirs.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        assert entry.top1 == (None if math.isnan(top1) else top1)
        assert entry.licence == ("CC-BY-NC-4.0" if "license" in theirs.meta else "BSD-3-Clause")


@pytest.mark.parametrize("card", LITES)
def test_published_names_map_one_to_one(card):
    entry = card.weights("imagenet")
    published = read_weights(package_file(entry.package.replace("-", "_"), f"**/{entry.filename}"))
    renamed = {card.renames(name): tensor.shape for name, tensor in published.items()}
    assert len(renamed) == len(published)
    assert renamed == ft_torch.weight_shapes(build(card))


def test_names_of_old_densenet_files():
    card = find_card("densenet121")
    names = list(build(card).state_dict())
    old = [re.sub(r"(denselayer\d+\.\w+)([12]\.)", r"\1.\2", name) for name in names]
    assert old[6] == "features.denseblock1.denselayer1.norm.1.weight"
    assert [card.renames(name) for name in old] == [card.renames(name) for name in names] == names


def test_names_that_no_rule_knows_stay():
    renames = find_card("efficientnet_lite0").renames
    for name in ("_blocks.99._bn0.weight", "_blocks.0._se.weight", "_swish.weight", "x", "features.0.0.weight"):
        assert renames(name) == name


@pytest.mark.parametrize(
    "card",
    [
        pytest.param(card, id=card.name)
        for card in cards()
        if card.constants() and card.name in models.list_models(module=models)
    ],
)
def test_constants_are_torchvisions_buffers(card, monkeypatch):
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda weight, **_: weight)  # slow, and of no interest here
    theirs = dict(models.get_model(card.name).named_buffers())
    ours = card.constants()
    tables = ("relative_position_index", "relative_coords_table")
    assert set(ours) == {name for name in theirs if name.endswith(tables)}
    for name, table in ours.items():
        assert table.dtype == theirs[name].numpy().dtype
        np.testing.assert_allclose(table, theirs[name].numpy(), rtol=2e-7, atol=0)  # log2 may differ by an ulp


def test_old_names_of_vision_transformers_are_understood():
    rename = find_card("vit_b_16").renames
    block = models.vision_transformer.MLPBlock(3, 5, 0.0)
    old = {"linear_1.weight": (5, 3), "linear_1.bias": (5,), "linear_2.weight": (3, 5), "linear_2.bias": (3,)}
    block.load_state_dict({name: torch.zeros(shape) for name, shape in old.items()})  # torchvision knows them too
    path = "encoder.layers.encoder_layer_3.mlp."
    renamed = {rename(path + name): shape for name, shape in old.items()}
    assert renamed == {path + name: tuple(tensor.shape) for name, tensor in block.state_dict().items()}
    assert all(rename(name) == name for name in build(find_card("vit_b_16")).state_dict())


def test_imagenet_is_torchvisions():
    labels = models.get_model_weights("resnet18").DEFAULT.meta["categories"]
    ours = imagenet_classes()
    assert len(set(ours)) == len(labels) == 1000
    differing = {(a, b) for a, b in zip(ours, labels, strict=True) if a != b}
    assert all(a.startswith(b) for a, b in differing)  # torchvision has two cranes and two maillots
    assert {b for _, b in differing} <= {b for b in labels if labels.count(b) > 1}
    assert len(set(imagenet_ids())) == 1000
    assert list(imagenet_ids()) == sorted(imagenet_ids())


def test_what_is_not_there_is_said():
    with pytest.raises(RecipeError, match="unknown model 'resnet19'; did you mean 'resnet18'"):
        find_card("resnet19")
    with pytest.raises(WeightsError, match="resnet50: unknown weights 'IMAGENET1K_V3'; did you mean 'IMAGENET1K_V"):
        find_card("resnet50").weights("IMAGENET1K_V3")
    with pytest.raises(RecipeError, match="dropout: resnet18 has no such layer"):
        find_card("resnet18").options(dropout=0.1, stochastic_depth=None)


def test_noise_rates():
    lite = find_card("efficientnet_lite2")
    assert lite.options(dropout=None, stochastic_depth=None) == {"dropout": 0.3, "stochastic_depth": 0.2}
    assert lite.options(dropout=0.0, stochastic_depth=0.5) == {"dropout": 0.0, "stochastic_depth": 0.5}
    assert find_card("resnet18").options(dropout=0.0, stochastic_depth=None) == {}  # none is none
    sized = replace(find_card("resnet18"), sized=True, min_size=32, size_step=16)
    assert sized.options() == {"image_size": 224}
    assert sized.options(image_size=48) == {"image_size": 48}
    for size in (16, 40):
        with pytest.raises(RecipeError, match="at least 32 pixels, a multiple of 16"):
            sized.options(image_size=size)
    assert replace(find_card("resnet18"), dropout=0.5).options(dropout=None, stochastic_depth=None) == {"dropout": 0.5}
