"""Surgery in both wings: the same names and shapes for every family, the same numbers for two networks."""

import numpy as np
import pytest

from ft.api.show import changes_of, show_network
from ft.backend import contract as backend
from ft.cli import main
from ft.data import Batch
from ft.errors import RecipeError
from ft.network.surgery import plan_surgery
from ft.noise import generator
from ft.recipe import Recipe
from ft.training.build import new_network
from ft.zoo import find_card
from parity_tests.support.networks import in_range
from parity_tests.support.one_step import require_equal_step
from parity_tests.support.pairs import CLASSES, Case, drawn_tensors, one_learner

pytestmark = pytest.mark.usefixtures("eager")

CASES = [
    Case("resnet18", "none", {"cut": "layer3", "pool": "gem", "head": "16-batchnorm-relu-dropout0.3"}),
    Case("efficientnet_lite0", "none", {"cut": "stage5.2", "pool": "avg+max", "head": "12-silu-layernorm-gelu-8-tanh"}),
]
SLOW_CASES = [
    Case("efficientnet_lite0", "none", {"cut": "stage4", "pool": "max", "change": "features.3.1.block.1.0:dilation=2"}),
    Case("resnet18", "stem,layer1", {"in_channels": 1, "change": "layer3.0.conv1:kernel=5,layer4.1.conv*:dilation=2"}),
    Case("efficientnet_lite0", "base", {"in_channels": 4, "pool": "gem"}),
    Case("keras/mobilenet_v2", "base", {"weights": "none", "pool": "avg+max", "head": "16-relu-dropout0.2"}),
    Case("keras/efficientnet_b0", "none", {"weights": "none", "pool": "gem"}),
    Case("keras/resnet50", "base", {"weights": "none", "pool": "avg+max"}),
]
FAMILIES = [
    ("mobilenet_v3_small", {"cut": "top", "head": "16-gelu", "in_channels": 1}),
    ("squeezenet1_1", {"cut": "fire9"}),
]
SLOW_FAMILIES = [
    ("resnet18", {"cut": "layer4.1", "head": "linear"}),
    ("densenet121", {"cut": "features.denseblock3.denselayer5", "pool": "gem"}),
    ("swin_t", {"cut": "stage3", "pool": "gem", "in_channels": 4}),
    ("googlenet", {"cut": "inception4c"}),
    ("vit_b_32", {"cut": "layer2", "head": "layernorm"}),
    ("googlenet", {"head": "8-silu", "in_channels": 1}),
    ("inception_v3", {"cut": "mixed7", "pool": "max"}),
    ("convnext_tiny", {"cut": "stage3", "head": "layernorm-8-gelu", "pool": "avg+max"}),
    ("efficientnet_b0", {"cut": "stage5", "pool": "gem"}),
    ("mobilenet_v2", {"cut": "stage5", "pool": "max"}),
    ("mnasnet0_5", {"pool": "gem", "change": "layers.8.0.layers.3:kernel=5,dilation=2"}),
    ("shufflenet_v2_x0_5", {"cut": "stage4", "pool": "avg+max"}),
    ("regnet_y_400mf", {"cut": "block4", "pool": "gem"}),
    ("vgg11", {"cut": "block4", "head": "16-relu-dropout0.5"}),
    ("alexnet", {"cut": "conv5", "head": "16-relu"}),
    ("swin_v2_t", {"cut": "features.5.3", "pool": "max"}),
    ("maxvit_t", {"change": "stem.1.0:kernel=5", "in_channels": 1}),
    ("efficientnet_lite0", {"pool": "gem", "cut": "top"}),
    ("keras/xception", {"pool": "max", "head": "16-layernorm-relu"}),
]


def starting(card, shapes):
    """Return drawn tensors; a learned pooling's p is a number of its own too."""
    drawn = drawn_tensors(card, shapes, seed=0)
    return drawn | {name: np.array([2.5]) for name in drawn if name.endswith("pool.p") or name == "mean.p"}


def batch_for(case):
    """Return eight images of the case's channels with labels."""
    rng = generator(0, "batch")
    channels = case.fields.get("in_channels", 3)
    images = in_range(find_card(case.model), rng.normal(size=(8, 64, 64, channels)))
    return Batch.of(images, labels=rng.integers(0, CLASSES, 8))


@pytest.mark.parametrize(
    "case", [*CASES, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW_CASES)], ids=str
)
def test_numbers(case):
    """Inference, training forward, every gradient, and two steps from a common state."""
    pair = {name: one_learner(name, case.recipe(image_size=64)) for name in ("torch", "tf")}
    shapes = {name: x.shape for name, x in pair["torch"].get_weights().items()}
    pair["torch"].set_weights(starting(find_card(case.model), shapes))
    apart = require_equal_step(pair, batch_for(case)).gradients
    print(f"gradients {apart.largest:.1e}, {len(apart.zeros)} zero but for rounding")


def both(model, fields):
    """Return names and shapes, and stages with shapes and parameters, of a network after surgery in each wing."""
    networks = []
    for name in ("torch", "tf"):
        card, wing = find_card(model), backend.load(name)
        size = 299 if model == "inception_v3" else 224 if card.sized else 64
        recipe = Recipe(model=model, **fields)
        surgery = plan_surgery(card, recipe)
        card = surgery.card if surgery else card
        network = new_network(recipe, wing, card=card, surgery=surgery, classes=CLASSES, image_size=size)
        stages = wing.stage_shapes(network, card, image_size=size, channels=recipe.in_channels)
        if model.startswith("vit"):
            stages["stem"] = stages["stem"][:1]  # its last module gives a map, which is made tokens without a module
        networks.append((dict(sorted(wing.weight_shapes(network).items())), stages))
    return networks


@pytest.mark.parametrize(
    ("model", "fields"),
    [*FAMILIES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW_FAMILIES)],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_names_and_shapes(model, fields):
    torch, tf = both(model, fields)
    assert torch[0] == tf[0]
    assert torch[1] == tf[1]


@pytest.mark.parametrize(
    ("model", "fields", "size", "words"),
    [
        ("resnet18", "layer4.0.conv1:stride=1", 32, "layer4.0: {} (it adds (512, 2, 2) and (512, 1, 1))"),
        ("resnet18", "layer4.0.conv1:stride=1", 40, "layer4.0: {} (it adds (512, 3, 3) and (512, 2, 2))"),
        ("squeezenet1_1", "features.3.expand1x1:stride=2", 64, "features.3: {} (it joins maps of 15 x 15 and 8 x 8)"),
        ("alexnet", "features.3:kernel=2", 64, "features.12: {} (its window does not fit into (256, 2, 2))"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                ("vit_b_32", "conv_proj:stride=16", 64, "vit_b_32: {};"),
                ("maxvit_t", "blocks.0.layers.1.*.conv_b.0:stride=2", 224, "MBconv: {} (it adds (64, 56, 56) and"),
                (
                    "densenet121",
                    "*.denselayer2.conv2:stride=2",
                    64,
                    "denselayer3: {} (it joins maps of 16 x 16 and",
                ),
                ("convnext_tiny", "features.1.0.block.0:stride=2", 64, "features.1.0: {} (it adds (96, 16, 16) and"),
                ("mobilenet_v3_small", "*.4.block.2.fc1:kernel=2", 64, "fc1: {} (its window does not fit into (96, 1"),
            ]
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_the_same_words(model, fields, size, words):
    said = []
    for name in ("torch", "tf"):
        with pytest.raises(RecipeError) as caught:
            show_network(Recipe(model=model, change=fields, image_size=size), backend=name, classes=CLASSES)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert words.format("the shapes no longer fit each other") in said[0]


def test_behind_a_cut_nothing_has_to_fit():
    recipe = Recipe(model="alexnet", change="features.3:kernel=2", cut="conv5", head="linear", image_size=64)
    torch, tf = (show_network(recipe, backend=name, classes=CLASSES)[1] for name in ("torch", "tf"))
    assert torch.rows == tf.rows


def test_the_table_of_a_network():
    recipe = Recipe(model="resnet18", cut="layer3", head="16-relu", image_size=64)
    torch, tf = (show_network(recipe, backend=name, classes=CLASSES) for name in ("torch", "tf"))
    assert [table.rows for table in torch] == [table.rows for table in tf]
    before, after = torch
    assert before.parameters == find_card("resnet18").parameters - 1000 * 513 + CLASSES * 513
    assert [(row.stage, row.shape) for row in after.rows] == [
        ("stem", (64, 16, 16)),
        ("layer1", (64, 16, 16)),
        ("layer2", (128, 8, 8)),
        ("head", (CLASSES,)),
    ]
    assert after.rows[-1].parameters == 128 * 16 + 16 + 16 * CLASSES + CLASSES
    assert sorted(changes_of(*torch)) == sorted(changes_of(*tf))


def run_ft(monkeypatch, *words):
    """Run a command of ft in this process and return its exit code."""
    monkeypatch.setattr("sys.argv", ["ft", *map(str, words)])
    return main()


def test_a_run_with_surgery_belongs_to_both_wings(monkeypatch, capsys, tmp_path):
    """Train in one, resume, evaluate and predict in the other, convert; the frozen base's features are kept."""
    data, run = folder_of_images(tmp_path / "data"), tmp_path / "run"
    asked = ["--cut", "layer2", "--pool", "gem", "--head", "8-relu", "--in-channels", "1", "--image-size", "32"]
    fields = ["--model", "resnet18", "--weights", "none", "--batch-size", "4", "--precision", "float64", *asked]
    assert run_ft(monkeypatch, "train", *fields, "--data", data, "--epochs", "1", "--out", run) == 0
    assert run_ft(monkeypatch, "train", "--backend", "tf", "--resume", run, "--epochs", "2") == 0
    numbers = []
    for name in ("torch", "tf"):
        capsys.readouterr()
        assert run_ft(monkeypatch, "evaluate", run, "--backend", name) == 0
        numbers.append(capsys.readouterr().out)
    assert numbers[0] == numbers[1]
    assert run_ft(monkeypatch, "predict", run, next(data.rglob("*.png")), "--backend", "torch") == 0
    for out in ("out.pth", "out.keras"):
        assert run_ft(monkeypatch, "convert", run, tmp_path / out) == 0
    assert run_ft(monkeypatch, "train", "--resume", run, "--pool", "max", "--epochs", "3") == 2
    assert "was trained with pool gem, now asked for max" in capsys.readouterr().err


def folder_of_images(folder):
    """Write two classes of four grey images each, and return the folder."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, shade in (("dark", 60), ("light", 180)):
        (folder / label).mkdir(parents=True)
        for i in range(5):
            pixels = rng.integers(shade - 50, shade + 50, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    return folder
