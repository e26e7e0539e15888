"""Features that are kept change nothing that is trained, in either wing: in memory, on disk, or of an earlier run.

Where the kernels see other batches than without the cache, sums may round otherwise. How much that may be is measured:
by runs without the cache whose batches are split differently, which is the same mathematics.
"""

import numpy as np
import pytest
from PIL import Image

from ft.backend import contract as backend
from ft.features.features import FeatureBatches, Keeper, sources_of
from ft.noise import generator
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.job import prepare_job
from parity_tests.support.pairs import squares_folder

EPOCHS, FLOOR = 2, 4 * np.finfo(np.float32).eps
ROUNDING = 1e-4  # more is no rounding any more
NET = {"image_size": 32, "batch_size": 4, "epochs": EPOCHS, "lr": 0.05, "workers": 0}
SPLITS = ({"batch_size": 2, "accumulate": 2}, {"batch_size": 1, "accumulate": 4})
MODELS = [
    pytest.param({"model": "resnet18", "weights": "none"}, id="resnet18"),
    pytest.param({"model": "efficientnet_lite0"}, id="efficientnet_lite0", marks=pytest.mark.slow),  # head with dropout
]

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of 10 noisy images of two classes: a short last batch in training and in the pass over all images."""
    root, rng = tmp_path_factory.mktemp("noise"), generator(0, "noise")
    for split, count in (("train", 5), ("val", 2)):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{i}.png")
    return str(root)


@pytest.fixture
def train(data, tmp_path):
    """Train the head on the images; return its weights, whether on features, and what was said of them."""

    def train(name, **fields):
        job = prepare_job(Recipe(**{**NET, "data": data, "cache_dir": str(tmp_path), **fields}), quiet=True)
        wing, said = backend.load(name), []
        learner, _ = build_learner(job, wing, device="cpu")
        (source,) = sources_of(Keeper(job, learner, name, "cpu", said.append), "train")
        batches = (batch for epoch in range(EPOCHS) for batch in source.epoch(epoch))
        for step, batch in enumerate(batches):
            learner.step(batch, step=step, lr=np.float64(job.recipe.lr))
        trained = learner.get_weights()[f"{job.card.last}.weight"]
        return trained, isinstance(source, FeatureBatches), " ".join(said)

    return train


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
@pytest.mark.parametrize("fields", MODELS)
def test_trained_weights_are_those_without_the_cache(name, fields, train, say):
    (plain, on_features, _), *others = (train(name, **fields, cache="off", **split) for split in ({}, *SPLITS))
    assert not on_features
    spread = max(np.abs(plain - weights).max() for weights, _, _ in others)
    kept, on_features, _ = train(name, **fields, cache="memory")
    assert on_features
    distance, scale = np.abs(kept - plain).max(), np.abs(plain).max()
    figures = f"{distance / scale:.1e} of the largest weight; other splits: {spread / scale:.1e}"
    say(f"features kept, {fields['model']}, {name}: {figures}")
    assert spread <= ROUNDING * scale, "the splits are not the same mathematics"
    assert distance <= max(4 * spread, FLOOR * scale)
    for words in ("go to", "found in"):
        on_disk, _, said = train(name, **fields, cache="disk")
        np.testing.assert_array_equal(on_disk, kept)
        assert words in said


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_views_are_those_of_the_first_epochs(name, train):
    fields = {"model": "resnet18", "weights": "none", "augment": "crop-flip", "jitter": 0.4}
    (plain, _, _), *others = (train(name, **fields, **split) for split in ({}, *SPLITS))
    spread = max(np.abs(plain - weights).max() for weights, _, _ in others)
    kept, on_features, _ = train(name, **fields, cache_views=EPOCHS)
    assert on_features
    assert np.abs(kept - plain).max() <= max(4 * spread, FLOOR * np.abs(plain).max())
    fewer = train(name, **fields, cache_views=EPOCHS - 1)[0]
    assert np.abs(fewer - plain).max() > 100 * max(spread, FLOOR * np.abs(plain).max())


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_a_base_whose_noise_and_statistics_live_is_never_kept(name, train, tmp_path):
    """With bn update BatchNorm, dropout and stochastic depth of the base run in training mode."""
    fields = {"model": "efficientnet_lite0", "cache": "disk"}
    assert not train(name, **fields, bn="update", stochastic_depth=0.5)[1]
    assert not any(tmp_path.glob("features*"))


def test_maps_of_both_wings_are_one_rounding_apart(tmp_path, say, monkeypatch):
    """Of a small base for segmentation: heads of ReLUs part where sums are rounded in between. A large one is not."""
    fields = {"model": "lraspp_mobilenet_v2", "image_size": 48, "batch_size": 4, "workers": 0}
    job, found = prepare_job(Recipe(**fields, data=squares_folder(tmp_path, count=8), cache="memory"), quiet=True), {}
    for name in ("torch", "tf"):
        learner, _ = build_learner(job, backend.load(name), device="cpu")
        (source,) = sources_of(Keeper(job, learner, name, "cpu", lambda line: None), "train")
        found[name] = source.views[0].taps
        monkeypatch.setattr("ft.features.exact.SMALL", 0)
        assert not Keeper(job, learner, name, "cpu", lambda line: None).is_exact
        monkeypatch.undo()
    for tap in ("low", "high"):
        ours, theirs = found["torch"][tap].transpose(0, 2, 3, 1), found["tf"][tap]
        assert ours.dtype == theirs.dtype == np.float32
        say(f"kept maps, {tap}: {np.mean(ours != theirs):.1e} of the numbers differ")
        np.testing.assert_array_max_ulp(ours, theirs, maxulp=1)
