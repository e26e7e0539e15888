"""The cards of detectors against torchvision; whose weights find which place."""

import dataclasses
import hashlib
import re

import numpy as np
import pytest

import ft_torch
from ft.network.freeze import plan_freeze
from ft.training.job import recipe_of
from ft.weights.pretrained import canonical_names, pretrained_weights, with_usual_eps
from ft.weights.source import count_outputs
from ft.zoo import cards, find_card
from ft.zoo.card import under
from tests.oracle import models, needs_torch, torch

pytestmark = needs_torch
EVERY = [*cards("detection"), *cards("instances"), *cards("keypoints")]
CARDS = [pytest.param(card, id=card.name) for card in EVERY]
PUBLISHED = [card.name for card in EVERY if card.pretrained[-1].name == "COCO_V1"]
ONE_STAGE = ("classification_head", "regression_head")
TWO_STAGES = ("fpn", "head", "box_head", "box_predictor")
PARTS = {
    "fasterrcnn": TWO_STAGES,
    "maskrcnn": (*TWO_STAGES, "mask_head", "mask_predictor"),
    "keypointrcnn": (*TWO_STAGES, "keypoint_head", "keypoint_predictor"),
    "retinanet": ("fpn", *ONE_STAGE),
    "fcos": ("fpn", *ONE_STAGE),
    "ssd": ("scale_weight", "extra", *ONE_STAGE),
    "ssdlite": ("extra", *ONE_STAGE),
}
WITH_BACKGROUND = ("fasterrcnn", "maskrcnn", "keypointrcnn", "ssd", "ssdlite")
BACKBONES = ("mobilenet_v2", "mobilenet_v3_large", "resnet18", "resnet50", "vgg16")


def shapes_of(name, **options):
    with torch.device("meta"):
        return ft_torch.weight_shapes(ft_torch.build_model(name, **options))


def empty(shapes):
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


def test_names():
    names = {card.name for card in EVERY}
    assert {*models.list_models(module=models.detection)} < names
    every = [cards(task) for task in ("classification", "segmentation", "detection", "instances", "keypoints")]
    assert [card.name for own in every for card in own] == [card.name for card in cards(None)]


@pytest.mark.parametrize("card", CARDS)
def test_stages_taps_and_last_layers(card):
    with torch.device("meta"):
        model = ft_torch.build_model(card.name, num_classes=card.classes)
    assert sum(w.numel() for w in model.parameters()) == card.parameters
    for name in model.state_dict():
        assert [stage for stage, prefixes in card.stages.items() if under(name, prefixes)] == [card.stage_of(name)]
    classes = card.classes + (card.family in WITH_BACKGROUND)
    wide = {card.keypoints, *(classes * count for count in getattr(card.detector, "by_place", (1, 4)))}
    layers = [(path, layer) for path, layer in model.named_modules() if hasattr(layer, "weight")]
    assert sorted(path for path, layer in layers if outputs_of(layer) in wide) == sorted(card.outputs)
    if hasattr(model.backbone, "body"):
        taps = {tap: f"backbone.body.{path}" for path, tap in model.backbone.body.return_layers.items()}
        assert taps == card.taps
    plan = plan_freeze(card, [name for name, _ in model.named_parameters()], freeze=("base",), bn="frozen")
    assert plan.stages == card.base
    assert {name.split(".")[1] for name in plan.trainable} - {"features"} == {*PARTS[card.family]}
    tail = {name for name in plan.trainable if name.startswith("backbone.features.")}
    assert bool(tail) == (card.name == "ssdlite320_mobilenet_v3_large")


def outputs_of(layer):
    """Return how many numbers a layer gives at a place."""
    return getattr(layer, "out_features", getattr(layer, "out_channels", 0))


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_are_torchvisions(name):
    card, theirs = find_card(name), models.get_model_weights(name).DEFAULT
    ours = card.weights(theirs.name)
    assert (ours.url, ours.url.rpartition("/")[2]) == (theirs.url, ours.filename)
    assert theirs.url.endswith(f"-{ours.sha256}.pth")
    own = list(ours.classes)
    assert own[own[0] == "N/A" :] == theirs.meta["categories"][1:]
    # without background a network has an output for the number that COCO does not give
    assert card.classes == len(own) == len(theirs.meta["categories"]) - (card.family in WITH_BACKGROUND)
    assert (card.parameters, ours.mean_ap) == (
        theirs.meta["num_params"],
        theirs.meta["_metrics"]["COCO-val2017"]["box_map"],
    )
    legacy = ("fasterrcnn", "maskrcnn", "keypointrcnn", "retinanet")
    assert (ours.norm_eps == 0) == (name in [f"{family}_resnet50_fpn" for family in legacy])
    assert card.weights("imagenet").name == ("IMAGENET1K_FEATURES" if card.family == "ssd" else "IMAGENET1K_V1")


@pytest.mark.parametrize("card", CARDS)
def test_a_classification_network_s_tensors_fill_the_body(card):
    shapes = shapes_of(card.name, num_classes=90)
    body = next(name for name in BACKBONES if f"_{name}_" in f"{card.name}_")
    placed = canonical_names(card, empty(shapes_of(body)))
    assert {n: t.shape for n, t in placed.items()} == {n: s for n, s in shapes.items() if card.stage_of(n) in card.base}
    assert card.new_head(placed) == tuple(path for stage in card.behind for path in card.stages[stage])
    assert {n.split(".")[0] for n in shapes} == {"backbone", *(path.split(".")[0] for path in card.new_head(placed))}
    whole = canonical_names(card, empty(shapes))
    assert {n: t.shape for n, t in whole.items()} == shapes
    assert card.new_head(whole) == card.outputs
    assert count_outputs(whole, card) == 90


def test_names_of_before():
    renames = find_card("fasterrcnn_resnet50_fpn").renames
    assert renames("backbone.fpn.inner_blocks.2.bias") == "backbone.fpn.inner_blocks.2.0.bias"
    assert renames("rpn.head.conv.weight") == "rpn.head.conv.0.0.weight"
    assert renames("rpn.head.conv.0.0.weight") == "rpn.head.conv.0.0.weight"
    assert find_card("fcos_resnet50_fpn").renames("backbone.fpn.layer_blocks.0.bias").endswith("blocks.0.0.bias")
    renames = find_card("maskrcnn_resnet50_fpn").renames
    assert renames("roi_heads.mask_head.mask_fcn4.bias") == "roi_heads.mask_head.3.0.bias"
    assert renames("backbone.fpn.inner_blocks.2.bias") == "backbone.fpn.inner_blocks.2.0.bias"


def test_names_of_a_head_of_before():
    renames = find_card("retinanet_resnet50_fpn").renames
    assert renames("head.regression_head.conv.6.bias") == "head.regression_head.conv.3.0.bias"
    assert renames("head.regression_head.conv.3.0.bias") == "head.regression_head.conv.3.0.bias"
    assert renames("backbone.fpn.layer_blocks.1.weight") == "backbone.fpn.layer_blocks.1.0.weight"


def test_weights_that_want_no_eps_give_the_same_with_it():
    """torchvision takes the eps of such a network away; here its variances are less by as much."""
    from torchvision.ops import FrozenBatchNorm2d

    norm, theirs = FrozenBatchNorm2d(3).double(), FrozenBatchNorm2d(3, eps=0.0).double()
    start = {"running_var": np.array([1e-7, 0.1, 3], np.float32), "weight": np.array([1.0, 2, 3], np.float32)}
    theirs.load_state_dict({name: torch.from_numpy(x) for name, x in start.items()}, strict=False)
    named = with_usual_eps({f"bn.{name}": x for name, x in start.items()}, 0.0)
    norm.load_state_dict({name[3:]: torch.from_numpy(x) for name, x in named.items()}, strict=False)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(norm(x), theirs(x), rtol=1e-9, atol=0)


BEFORE = (  # what torchvision's files were called before 0.13, and since
    (r"(fpn\.\w+_blocks\.\d)\.0", r"\1"),
    (r"rpn\.head\.conv\.0\.0", "rpn.head.conv"),
    (r"(head\.\w+_head\.conv)\.(\d)\.0", lambda new: f"{new[1]}.{2 * int(new[2])}"),
    (r"mask_head\.(\d)\.0", lambda new: f"mask_head.mask_fcn{int(new[1]) + 1}"),
)


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_by_its_path_is_what_its_name_is(tmp_path, name):
    """Told by its hash, whatever it is called; a file of other numbers is taken as it is. In the names of its day."""
    card, path = find_card(name), tmp_path / "mine.pth"
    shapes = shapes_of(name)
    with torch.device("meta"):
        stock = models.get_model(name, weights=None, weights_backbone=None)
    old = [name for name in stock.state_dict() if name in shapes]  # without counters of what is frozen on weights
    if not name.endswith("_v2") and card.family != "ssdlite":
        old = [renamed_back(name) for name in old]
    torch.save({name: torch.ones(1) for name in old}, path, _use_new_zipfile_serialization=False)
    entry = card.weights("COCO_V1")
    own = dataclasses.replace(entry, sha256=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    for pretrained, shift in (((entry,), 0.0), ((own,), 1e-5 if entry.norm_eps == 0 else 0.0)):
        found = pretrained_weights(dataclasses.replace(card, pretrained=pretrained), str(path))
        assert found.keys() == shapes.keys()
        moved = {name: x.item() for name, x in found.items() if name.endswith("running_var")}
        assert bool(moved) == (card.family != "ssd")
        np.testing.assert_allclose(list(moved.values()), 1 - shift, rtol=1e-12)


def renamed_back(name):
    """Return the name that a tensor had before."""
    for new, old in BEFORE:
        name = re.sub(new, old, name)
    return name


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0), ("2", 1), (4, 3), (26, 3)])
def test_the_usual_warm_up_ends_before_a_short_training_does(epochs, warmup):
    recipe = recipe_of({"model": "fasterrcnn_mobilenet_v2_fpn", "epochs": epochs})
    assert (recipe.warmup_epochs, recipe.epochs) == (warmup, int(epochs))
    assert recipe_of({"model": "fasterrcnn_mobilenet_v2_fpn", "schedule": "one-cycle"}).warmup_epochs == 0


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssdlite320_mobilenet_v3_large"])
def test_pixels_and_numbers_of_ssd_are_torchvisions(name):
    with torch.device("meta"):  # there, drawing weights takes no time
        stock, model = models.detection.__dict__[name](weights=None, weights_backbone=None), ft_torch.build_model(name)
    card = find_card(name)
    detector, pixels = card.detector, card.preprocess
    assert (list(pixels.mean), list(pixels.std)) == (stock.transform.image_mean, stock.transform.image_std)
    assert stock.transform.fixed_size == (pixels.crop, pixels.crop)
    assert {entry.preprocess for entry in card.pretrained} == {pixels}
    numbers = stock.score_thresh, stock.topk_candidates, stock.nms_thresh, stock.detections_per_img
    assert numbers == (detector.score, detector.candidates, detector.nms, detector.detections)
    assert (stock.neg_to_pos_ratio, stock.box_coder.weights) == (detector.negatives, detector.weights)
    assert stock.proposal_matcher.high_threshold == detector.low == detector.high
    norms = {(x.eps, x.momentum) for x in stock.modules() if isinstance(x, torch.nn.BatchNorm2d)}
    assert {(x.eps, x.momentum) for x in model.modules() if isinstance(x, torch.nn.BatchNorm2d)} == norms
