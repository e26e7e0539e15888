"""Surgery against torchvision, torch.nn and the formulas of the field: oracles that know nothing of this project."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet18, resnet50
from torchvision.models.vision_transformer import interpolate_embeddings

import ft_torch
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.weights.refit import refit, to_channels
from ft.weights.resize import resize_bicubic
from ft.zoo import find_card
from ft_torch.head import GlobalPool, build_head

SIZE, CLASSES = 64, 10


def altered(model, *, size=SIZE, **fields):
    """Return a network after surgery, in float64 and inference mode, and its card."""
    card = find_card(model)
    surgery = plan_surgery(card, Recipe(model=model, **fields))
    torch.manual_seed(0)
    options = card.options(image_size=size) if card.sized else {}
    built = ft_torch.build_model(model, num_classes=CLASSES, dtype="float64", options=options)
    surgery.require_fits(ft_torch.weight_shapes(built))
    return ft_torch.alter(built, surgery, image_size=size).eval(), surgery.card


def images(channels=3, seed=0):
    """Return two images (2, channels, SIZE, SIZE)."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2, channels, SIZE, SIZE)))


@torch.no_grad()
def test_a_cut_resnet_is_the_sequence_of_torchvisions_children():
    model, _ = altered("resnet18", cut="layer3")
    stock = resnet18().double().eval()
    stock.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("fc")}, strict=False)
    children = dict(stock.named_children())
    kept = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "avgpool")
    expected = nn.Sequential(*(children[name] for name in kept), nn.Flatten(), model.fc)
    assert torch.equal(model(images()), expected(images()))
    assert model.fc.in_features == 128


@torch.no_grad()
def test_a_cut_block_is_the_sequence_without_it():
    model, _ = altered("resnet18", cut="layer4.1")
    stock = resnet18().double().eval()
    stock.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("fc")}, strict=False)
    stock.layer4 = stock.layer4[:1]
    stock.fc = model.fc
    assert torch.equal(model(images()), stock(images()))


@torch.no_grad()
def test_dilation_is_torchvisions_in_place_of_stride():
    change = "layer4.0.conv2:stride=1,layer4.0.downsample.0:stride=1,layer4.[12].conv2:dilation=2"
    model, _ = altered("resnet50", change=change)
    stock = resnet50(num_classes=CLASSES, replace_stride_with_dilation=[False, False, True]).double().eval()
    stock.load_state_dict(model.state_dict())
    assert torch.equal(model(images()), stock(images()))


@pytest.mark.parametrize("kind", ["avg", "max", "avg+max", "gem"])
def test_pooling_by_its_formula(kind):
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 5, 4, 3)))
    avg, top = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
    gem = F.avg_pool2d(x.clamp(min=1e-6).pow(3), (4, 3)).pow(1 / 3)
    expected = {"avg": avg, "max": top, "avg+max": torch.cat([avg, top], 1), "gem": gem}[kind]
    torch.testing.assert_close(GlobalPool(kind).double()(x), expected, rtol=1e-13, atol=0)


def test_the_power_of_gem_is_learned():
    pool, x = GlobalPool("gem").double(), torch.rand(2, 3, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: torch.func.functional_call(pool, {"p": p}, (x,)), pool.p)


@pytest.mark.parametrize(
    ("name", "kind"), [("mobilenet_v2", "avg"), ("mobilenet_v2", "gem"), ("densenet121", "avg"), ("densenet121", "max")]
)
def test_networks_that_pool_in_their_code(name, kind):
    """They become a sequence; with avg it gives what torchvision's own code gives."""
    model, card = altered(name, pool=kind)
    own = ft_torch.build_model(name, num_classes=CLASSES, dtype="float64").eval()
    own.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        difference = (model(images()) - own(images())).abs().max().item()
    assert (difference < 1e-13) == (kind == "avg")
    assert (f"{card.pool}.p" in ft_torch.parameters(model)) == (kind == "gem")


@torch.no_grad()
def test_head_layers_are_torchs():
    spec = Recipe(head="8-batchnorm-silu-layernorm-gelu-dropout0.5-6-tanh-relu")
    layers = plan_surgery(find_card("resnet18"), spec).head
    torch.manual_seed(0)
    ours = build_head(layers, features=4, classes=3).double().eval()
    theirs = nn.Sequential(
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.SiLU(),
        nn.LayerNorm(8),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(8, 6),
        nn.Tanh(),
        nn.ReLU(),
        nn.Linear(6, 3),
    )
    theirs.double().eval().load_state_dict(ours.state_dict())
    x = torch.randn(5, 4, dtype=torch.float64)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours(x[:, :, None, None]), theirs(x))


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 4])
def test_equal_channels_are_seen_as_grey_was_in_three(channels):
    """`average`: N equal channels give the activations that the same channel three times gave the first convolution."""
    stock, grey = nn.Conv2d(3, 6, 5, bias=False).double(), images(1)
    ours = to_channels(stock.weight.numpy(), channels, "average")
    seen = F.conv2d(grey.repeat(1, channels, 1, 1), torch.from_numpy(ours))
    torch.testing.assert_close(seen, stock(grey.repeat(1, 3, 1, 1)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("channels", [4, 5, 7])
def test_repeated_weights_are_timms(channels):
    """timm repeats the three channels often enough, cuts to N and scales by 3 / N."""
    weight = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    expected = weight.repeat(1, math.ceil(channels / 3), 1, 1)[:, :channels] * (3 / channels)
    np.testing.assert_allclose(to_channels(weight.numpy(), channels, "repeat"), expected.numpy(), rtol=1e-15)


@pytest.mark.parametrize("size", [160, 256])
def test_position_embeddings_are_torchvisions(size):
    source = {"encoder.pos_embedding": torch.randn(1, 1 + 14 * 14, 6, dtype=torch.float64)}
    key = "encoder.pos_embedding"
    expected = interpolate_embeddings(size, 16, dict(source))[key]
    fit = refit(
        {key: source[key].numpy()},
        {key: tuple(expected.shape)},
        card=find_card("vit_b_16"),
        surgery=None,
        in_weights="average",
    )
    np.testing.assert_allclose(fit.tensors[key], expected.numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("before", "after"), [(13, 15), (23, 13), (14, 7), (5, 1)])
def test_bicubic_is_torchs(before, after, align_corners):
    grid = torch.randn(before, before, 3, dtype=torch.float64)
    planes = grid.permute(2, 0, 1)[None]
    expected = F.interpolate(planes, size=after, mode="bicubic", align_corners=align_corners)[0].permute(1, 2, 0)
    resized = resize_bicubic(grid.numpy(), after, align_corners=align_corners)
    np.testing.assert_allclose(resized, expected.numpy(), rtol=0, atol=1e-13)


def test_weights_of_another_swin_window():
    """A bias table of window 12, with its index table: resized as F.interpolate does, and the index is our own."""
    shapes = {"attn.relative_position_bias_table": (169, 3)}
    table = torch.randn(23 * 23, 3, dtype=torch.float64)
    fit = refit(
        {"attn.relative_position_bias_table": table.numpy()},
        shapes,
        card=find_card("swin_t"),
        surgery=None,
        in_weights="average",
    )
    planes = table.T.reshape(1, 3, 23, 23)
    expected = F.interpolate(planes, size=13, mode="bicubic", align_corners=False).reshape(3, 169).T
    np.testing.assert_allclose(fit.tensors["attn.relative_position_bias_table"], expected, rtol=0, atol=1e-13)


def test_the_base_of_a_detector_has_shapes_where_boxes_have_no_numbers():
    card = find_card("fasterrcnn_mobilenet_v2_fpn")
    model = ft_torch.build_model(card.name, num_classes=2, dtype="float32", options=card.options(image_size=64))
    ends = ft_torch.stage_shapes(model, card, image_size=64, channels=3)
    assert ends["top"][1] == (1280, 2, 2)
