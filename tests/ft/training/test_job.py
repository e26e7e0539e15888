"""A recipe looked up: what each name stands for, what training starts from, and mistakes found without a framework."""

from pathlib import Path

import numpy as np
import pytest

from ft.api.finetune import finetune
from ft.backend import contract as backend
from ft.data import Augmentation, Sampling
from ft.errors import DataError, RecipeError, WeightsError
from ft.network.freeze import keeps_features, plan_at
from ft.recipe import Recipe
from ft.training.build import build_learner, starting_weights, surgery_notes, untrained_notes
from ft.training.job import prepare_job, recipe_of, weigh_classes
from ft.weights import write_safetensors
from ft.zoo import find_card

SHAPES = {"conv1.weight": (4, 3, 3, 3), "fc.weight": (2, 3), "fc.bias": (2,)}


@pytest.fixture
def recipe(write_images):
    return Recipe(model="resnet18", weights="none", data=str(write_images()), workers=0, batch_size=4, image_size=16)


@pytest.fixture
def saved(tmp_path):
    """Write a weights file of a network with 7 classes; `changes` replace tensors, None removes one."""

    def saved(**changes):
        rng = np.random.default_rng(1)
        tensors = {
            "conv1.weight": rng.normal(size=(4, 3, 3, 3)),
            "fc.weight": rng.normal(size=(7, 3)),
            "fc.bias": rng.normal(size=7),
        }
        tensors |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
        write_safetensors(tmp_path / "w.safetensors", {k: t for k, t in tensors.items() if t is not None}, {})
        return str(tmp_path / "w.safetensors"), tensors

    return saved


def test_a_job_holds_what_the_recipe_names(recipe):
    job = prepare_job(recipe)
    assert job.card is find_card("resnet18")
    assert (job.dataset.classes, len(job.dataset.train), len(job.dataset.val)) == (("cat", "dog"), 12, 4)
    assert (job.preprocess.crop, job.preprocess.resize) == (16, 18)  # 256 of 224, as published
    assert job.source is None


def test_train_batches_are_shuffled_and_val_is_not(recipe):
    job = prepare_job(recipe.replace(seed=3, augment="crop-flip", precision="float64"))
    train, val = job.batches("train"), job.batches("val")
    assert (train.sampling, train.augmentation.augment) == (Sampling(4, 3, shuffle=True), "crop-flip")
    assert (val.sampling, val.augmentation) == (Sampling(4, 3), Augmentation())
    assert train.reading.dtype == val.reading.dtype == "float64"
    assert val.names == tuple(sample.name for sample in job.dataset.val)


def test_the_size_of_the_images(recipe):
    assert prepare_job(recipe.replace(image_size=None)).preprocess.crop == 224
    assert prepare_job(recipe.replace(image_size=None, data="digits")).preprocess.crop == 64
    assert prepare_job(recipe.replace(image_size=40, data="digits")).preprocess.crop == 40


def test_a_new_head_is_drawn_and_the_rest_is_loaded(recipe, saved):
    path, tensors = saved()
    start = starting_weights(prepare_job(recipe.replace(weights=path, precision="float64")), SHAPES)
    np.testing.assert_array_equal(start["conv1.weight"], tensors["conv1.weight"])
    assert start["fc.weight"].shape == (2, 3)
    assert np.ptp(start["fc.weight"]) > 0
    other = starting_weights(prepare_job(recipe.replace(weights=path, precision="float64", seed=1)), SHAPES)
    assert (other["fc.weight"] != start["fc.weight"]).any()


def test_a_kept_head_is_loaded(recipe, saved):
    path, _ = saved(fc__weight=np.eye(2, 3), fc__bias=np.ones(2))
    start = starting_weights(prepare_job(recipe.replace(weights=path, head="keep")), SHAPES)
    np.testing.assert_array_equal(start["fc.weight"], np.eye(2, 3))
    assert {tensor.dtype for tensor in start.values()} == {np.dtype("float32")}
    with pytest.raises(WeightsError, match=r"2 of another shape: fc.weight \(file \(7, 3\), model \(2, 3\)\)"):
        starting_weights(prepare_job(recipe.replace(weights=saved()[0], head="keep")), SHAPES)


def test_a_wrapped_network_with_a_head_of_several_layers(recipe, saved):
    head = {"fc.0.weight": np.ones((9, 3)), "fc.2.weight": np.ones((2, 9)), "fc.weight": None, "fc.bias": None}
    path, tensors = saved(**{name.replace(".", "__"): tensor for name, tensor in head.items()})
    wrapped = {f"_orig_mod.net.{name}": t for name, t in tensors.items() if t is not None}
    write_safetensors(path, wrapped, {})
    job = prepare_job(recipe.replace(weights=path, precision="float64"))
    start = starting_weights(job, SHAPES)
    np.testing.assert_array_equal(start["conv1.weight"], tensors["conv1.weight"])
    assert start["fc.weight"].shape == (2, 3)
    assert surgery_notes(job, SHAPES) == ["cut off from every name of the weights: net."]
    with pytest.raises(WeightsError, match=r"2 missing: fc.weight, fc.bias; 2 unexpected: fc"):
        starting_weights(prepare_job(recipe.replace(weights=path, head="keep")), SHAPES)


def test_weights_none_draws_everything(recipe):
    start = starting_weights(prepare_job(recipe), SHAPES)
    assert {name: tensor.shape for name, tensor in start.items()} == SHAPES
    again = starting_weights(prepare_job(recipe), SHAPES)
    assert all((start[name] == again[name]).all() for name in SHAPES)


def test_what_is_random_to_the_end_is_told(recipe, saved):
    def told(**changes):
        job = prepare_job(recipe.replace(**changes))
        return untrained_notes(job, {**SHAPES, "conv1.weight": (4, 3, 5, 5)} if "change" in changes else SHAPES, SHAPES)

    (line,) = told()
    assert "weights none: stem, layer1, layer2, layer3, layer4 start from random numbers and never train" in line
    assert "layer2" not in told(unfreeze="1:layer2")[0]
    assert told(freeze="none") == []
    path, _ = saved()
    assert told(weights=path) == []
    kernel = {"weights": path, "change": "conv1:kernel=5"}
    assert told(**kernel) == ["starts anew and never trains: conv1; thaw it with --freeze or --unfreeze"]
    assert told(**kernel, unfreeze="2:stem", epochs=2) == []
    assert told(**kernel, freeze="layer1") == []
    assert told(weights=path, freeze="head")[0].startswith("starts anew and never trains: fc; thaw")


def test_a_training_tells_it_before_it_starts(recipe, fake_wing, tmp_path, capsys):
    finetune(recipe.replace(epochs=1), out=tmp_path / "run")
    assert "never train, so what trains learns from random features" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"freeze": "none"}, False),
        ({"freeze": "stem,layer1"}, False),
        ({"bn": "update"}, False),
        ({"augment": "crop-flip"}, False),
        ({"cache": "off"}, False),
        ({"freeze": "stem,layer1,layer2,layer3,layer4"}, True),
        ({"freeze": "head"}, False),
        ({"unfreeze": "4:layer4"}, False),
    ],
)
def test_features_are_kept_only_where_they_cannot_change(changes, kept):
    recipe, card = Recipe(model="resnet18", **changes), find_card("resnet18")
    names = [f"{prefix}.weight" for prefixes in card.stages.values() for prefix in prefixes]
    plan = plan_at(recipe, card, names)
    assert keeps_features(recipe, plan, card) is kept


def test_the_learner_starts_from_the_files_tensors(recipe, saved, fake_wing):
    path, tensors = saved()
    learner, plan = build_learner(prepare_job(recipe.replace(weights=path)), backend.load("torch"), device="cpu")
    np.testing.assert_array_equal(learner.get_weights()["conv1.weight"], tensors["conv1.weight"].astype("float32"))
    assert plan.trainable == ("fc.weight", "fc.bias")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model": "resnet19"}, RecipeError, "unknown model 'resnet19'"),
        ({"freeze": "layer9"}, RecipeError, "unknown stage 'layer9'"),
        ({"unfreeze": "2:layer9"}, RecipeError, "unfreeze: unknown stage 'layer9'"),
        ({"class_weights": [1, 2, 3]}, RecipeError, "class_weights: got 3 numbers, pets has 2 classes"),
        ({"dropout": 0.5}, RecipeError, "dropout: resnet18 has no such layer"),
        ({"stochastic_depth": 0.5}, RecipeError, "stochastic_depth: resnet18 has no such layer"),
        ({"data": "nowhere"}, DataError, "data 'nowhere' does not exist"),
        ({"weights": "imagnet"}, WeightsError, "unknown weights 'imagnet'; did you mean 'imagenet'"),
        ({"weights": "nowhere.pth"}, WeightsError, "weights nowhere.pth: no such file"),
        ({"weights": "/"}, WeightsError, "is a folder without weights"),
    ],
)
def test_mistakes_are_found_here(recipe, changes, kind, words):
    with pytest.raises(kind) as caught:
        prepare_job(recipe.replace(**changes))
    assert words in str(caught.value)


def test_the_classes_of_a_run_that_goes_on_decide(recipe):
    assert prepare_job(recipe, classes=("dog", "emu", "cat")).dataset.classes == ("dog", "emu", "cat")
    with pytest.raises(DataError, match="unknown class 'dog'"):
        prepare_job(recipe, classes=("cat", "emu"))


def test_a_resumed_run_needs_no_weights_file(recipe, tmp_path):
    gone = recipe.replace(weights=str(tmp_path / "gone.pth"))
    assert prepare_job(gone, with_weights=False).source is None
    assert not Path(gone.weights).exists()


def test_balanced_class_weights_are_scikit_learns(recipe, write_images):
    from sklearn.utils.class_weight import compute_class_weight

    write_images("skewed", classes=("ant",), count=20)
    write_images("skewed", classes=("bee",), count=5)
    job = prepare_job(recipe.replace(data=str(Path(recipe.data).parent / "skewed"), class_weights="balanced"))
    labels = [sample.label for sample in job.dataset.train]
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    weights = weigh_classes(job.recipe, job.task, job.dataset)
    assert weights is not None
    np.testing.assert_allclose(weights, expected, rtol=1e-15)
    assert weigh_classes(job.recipe.replace(class_weights="3,1"), job.task, job.dataset) == (3.0, 1.0)
    assert weigh_classes(recipe, job.task, job.dataset) is None


def test_a_class_without_training_images_has_no_balanced_weight(recipe):
    with pytest.raises(RecipeError, match="class 'emu' has no training image"):
        prepare_job(recipe.replace(class_weights="balanced"), classes=("cat", "dog", "emu"))


def test_accumulated_batches_are_the_large_ones(recipe):
    parts, whole = recipe.replace(batch_size=2, accumulate=3), recipe.replace(batch_size=6)
    for a, b in zip(*(prepare_job(r).batches("train").plan(3) for r in (parts, whole)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert prepare_job(parts).batches("val").sampling.batch_size == 2


def test_the_built_in_texts_have_a_network_of_their_own():
    assert recipe_of({"data": "reuters"}).model == "minilm_l6"
    assert recipe_of({"data": "reuters"}).optimizer == "adamw"
    assert recipe_of({"data": "reuters", "model": "bert-base-uncased"}).model == "bert-base-uncased"
    assert recipe_of({}).model == Recipe.model
