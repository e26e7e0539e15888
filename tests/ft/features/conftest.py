"""Where features are kept, and trainings on a few images."""

import numpy as np
import pytest

import ft
from ft.backend import contract as backend
from ft.features.features import FeatureBatches, Keeper, sources_of
from ft.training.build import build_learner
from ft.training.job import prepare_job

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "epochs": 3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return where this test's features are kept."""
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def tune(fake_wing, write_images, tmp_path, folder, capsys):
    """Fine-tune on 12 images of two classes; return the trained weights and what was said."""
    data, count = str(write_images()), iter(range(100))

    def tune(**fields):
        run = ft.finetune(**{**NET, "data": data, "out": tmp_path / f"run{next(count)}", **fields})
        return (run.folder / "model.safetensors").read_bytes(), capsys.readouterr().err

    tune.data = data
    return tune


@pytest.fixture
def keep(fake_wing, write_images, folder):
    """Keep the features of 16 images, without a training; return those of both splits and what was said."""
    data = str(write_images())

    def keep(**fields):
        job, said = prepare_job(ft.Recipe(**{**NET, "data": data, **fields})), []
        learner, _ = build_learner(job, backend.load("torch"), device="cpu")
        sources = sources_of(Keeper(job, learner, "torch", "cpu", said.append), "train", "val")
        keep.sources, kept = sources, [isinstance(source, FeatureBatches) for source in sources]
        return [arrays(source) if k else None for source, k in zip(sources, kept, strict=True)], " ".join(said)

    return keep


def arrays(source):
    """Return what is kept of a source, (views, N, ...)."""
    return np.stack([view.taps["head"] for view in source.views])
