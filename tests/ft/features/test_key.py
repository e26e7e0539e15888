"""The key of kept features: whatever changes them changes it, and nothing else does."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import ft
from ft.backend import contract as backend
from ft.features import key as feature_key
from ft.recipe import FIELDS, TYPES, option
from ft.training.build import build_learner
from ft.training.job import prepare_job
from tests.ft.features.conftest import NET
from tests.ft.features.test_features import AUGMENTED


@pytest.fixture
def key(tune, folder):
    """Return the key of the training images' features under changed fields."""

    def key(backend_name="torch", device="cpu", seed_of_weights=0, exact=False, **fields):
        job = prepare_job(ft.Recipe(**{**NET, "data": tune.data, **fields}))
        learner, _ = build_learner(job, backend.load("torch"), device="cpu")
        tensors = learner.get_weights()
        tensors["conv1.weight"] = tensors["conv1.weight"] + seed_of_weights
        learner.set_weights(tensors)
        views = job.recipe.cache_views
        batches = job.batches("train")
        where = {"backend": backend_name, "device": device}
        return feature_key.feature_key(job, learner, batches, views=views, exact=exact, **where)

    return key


@pytest.mark.parametrize(
    "fields",
    [
        {"backend_name": "tf"},
        {"device": "cuda"},
        {"seed_of_weights": 1},
        {"exact": True},
        {"image_size": 24},
        {"jpeg": "reduced"},
        {"precision": "float64"},
        {"batch_size": 5},
        {"model": "resnet34"},
        {"val_fraction": 0.5},
        {"deterministic": False},
        {"augment": "crop-flip", "cache_views": 2},
    ],
)
def test_whatever_changes_features_changes_the_key(key, fields):
    assert key(**fields) != key()


def test_views_are_keyed_by_all_that_draws_them(key):
    base = {"augment": "crop-flip", "cache_views": 2}
    more = ({"seed": 1}, {"cache_views": 3}, {"jitter": 0.4}, {"hue": 0.1}, {"erase": 0.5}, {"randaugment": "2x9"})
    keys = {key(**{**base, **fields}) for fields in ({}, *more)}
    assert len(keys) == 1 + len(more)


def test_what_comes_behind_the_base_leaves_the_key_alone(key):
    later = ({"lr": 1.0}, {"optimizer": "adam"}, {"epochs": 9}, {"l2": 0.1}, {"ema": 0.9}, {"accumulate": 2})
    for fields in (*later, {"cache": "disk"}):
        assert key(**fields) == key()


def test_a_new_version_or_another_image_changes_the_key(key, tune, monkeypatch):
    before, image = key(), sorted(Path(tune.data).rglob("*.png"))[0]
    kept = image.stat()
    os.utime(image, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
    touched = key()
    os.utime(image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert touched != before
    assert key() == before
    image.write_bytes(image.read_bytes() + b"\0")
    os.utime(image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert key() != before
    monkeypatch.setattr(feature_key, "version", lambda name: "0")
    assert key() != touched


def test_images_in_memory_are_known_by_their_bytes():
    a, b = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    assert feature_key.identity(a) == feature_key.identity(b)
    b[0, 0] = 1
    assert feature_key.identity(a) != feature_key.identity(b)


@pytest.fixture
def plant(monkeypatch):
    """Give the recipe a new field `blur`, 0 by default, that decides what it is told to; return the recipe's class."""

    def plant(*decides):
        @dataclass(frozen=True, kw_only=True)
        class Planted(ft.Recipe):
            blur: float = option(0.0, "blur", group="data", decides=set(decides))

        monkeypatch.setitem(TYPES, "blur", float)
        monkeypatch.setitem(FIELDS, "blur", Planted.__dataclass_fields__["blur"])
        return Planted

    return plant


def test_a_new_field_that_changes_pixels_keeps_no_features(plant, keep, monkeypatch):
    monkeypatch.setattr(ft, "Recipe", plant("pixels"))
    assert keep(blur=0.0)[0][0] is not None
    assert keep(blur=0.5)[0] == [None, None]


@pytest.mark.parametrize(("decides", "views"), [("pixels", {"cache_views": 2}), ("draws", AUGMENTED), ("base", {})])
def test_a_new_field_that_changes_features_changes_the_key(plant, key, monkeypatch, decides, views):
    monkeypatch.setattr(ft, "Recipe", plant(decides))
    fields = {"cache_views": 2, **views} if views else {}
    assert key(**fields, blur=0.5) != key(**fields, blur=0.6)
    assert key(**fields, blur=0.5) == key(**fields, blur=0.5)


def test_the_key_holds_what_decides_what_the_base_computes():
    names = set(feature_key.values_of(ft.Recipe(), "base"))
    assert names >= {"model", "cut", "pool", "change", "in_channels", "in_weights", "precision", "deterministic"}
    assert not names & {"name", "epochs", "lr", "optimizer", "data", "cache", "cache_dir", "workers", "seed", "loss"}
