"""The learning-rate finder with a wing of NumPy: its rates, its end, its files, and nothing else left behind."""

import json

import numpy as np
import pytest

import ft
from ft.api.lr_find import Sweep, steepest, sweep, window
from ft.cli import dispatch as cli

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0}


@pytest.fixture
def find(fake_wing, write_images, tmp_path):
    """Sweep over two classes of images."""
    data = str(write_images())
    return lambda **fields: ft.find_lr(**{**NET, "data": data, "out": tmp_path / "found", **fields})


def test_the_sweep_is_exponential_and_learns(find, tmp_path):
    swept = find(lr_min=1e-4, lr_max=10, lr_steps=21)
    np.testing.assert_allclose(swept.rates, np.geomspace(1e-4, 10, 21)[: len(swept.rates)])
    assert 1e-4 < swept.suggestion < 10
    assert swept.smoothed[0] == swept.losses[0]
    np.testing.assert_allclose(swept.smoothed[1], (0.09 * swept.losses[0] + 0.1 * swept.losses[1]) / 0.19)
    assert json.loads((tmp_path / "found" / "lr-find.json").read_text())["suggestion"] == swept.suggestion
    assert (tmp_path / "found" / "lr-find.png").read_bytes().startswith(b"\x89PNG")


class Parabola:
    """A learner of one weight whose loss is its square: above a rate of 1 it diverges."""

    w = 1.0

    def step(self, batch, *, step, lr):
        loss = self.w**2
        self.w -= lr * 2 * self.w
        return np.array([loss, 0, 0, 0])

    def fetch(self, probes):
        return np.stack(probes)

    def get_weights(self):
        return {"w": self.w}

    def set_weights(self, tensors):
        self.w = tensors["w"]

    def get_slots(self):
        return {}

    def set_slots(self, slots):
        assert slots == {}


class OneBatch:
    """A data set of nothing."""

    def epoch(self, epoch, start=0, stop=None):
        return iter([None])


def test_it_ends_where_the_loss_breaks():
    learner = Parabola()
    swept = sweep(learner, OneBatch(), lowest=1e-3, highest=1e3, steps=61)
    assert swept.diverged
    assert 1 < swept.rates[-1] < 100
    assert 0.01 < swept.suggestion < 1
    assert learner.w == 1.0
    learner.w = float("nan")
    with pytest.raises(ft.RunError, match=r"not finite at a rate of 0\.001 already"):
        sweep(learner, OneBatch(), lowest=1e-3, highest=1e3, steps=61)


def test_the_steepest_place_is_before_the_lowest():
    rates = list(np.geomspace(1e-4, 1, 5))
    assert steepest(rates, [5.0, 4.5, 2.0, 1.5, 9.0]) == rates[1]
    assert steepest(rates, [1.0, 2.0, 3.0, 4.0, 5.0]) is None


def test_a_bump_of_the_first_batches_is_no_slope():
    rates = np.logspace(-6, 0, 100)
    losses = 2 + 1.5 / (1 + (rates / 1e-3) ** 1.5)
    losses[1:4] += [0.3, 0.4, 0.6]
    assert np.gradient(losses).argmin() < 6
    assert 5e-4 < steepest(rates.tolist(), losses.tolist()) < 2e-3


def test_the_picture_shows_how_it_begins():
    losses = [2.0, 3.7, 1.9, 1.0, 9.0]
    bottom, top = window(Sweep([1e-3, 1e-2, 0.1, 1, 10], losses, [2.0, 2.3, 2.1, 1.5, 4.0], 0.1, True))
    assert bottom < 1.0 < 3.7 < top < 9.0


@pytest.mark.parametrize(
    "sweep", [{"lr_min": 0}, {"lr_min": 2, "lr_max": 1}, {"lr_steps": 2}, {"lr_max": float("inf")}]
)
def test_sweeps_that_cannot_be(find, sweep, tmp_path):
    with pytest.raises(ft.RecipeError, match="expected 0 < lr-min < lr-max"):
        find(**sweep)
    assert not (tmp_path / "found").exists()


def test_the_command(fake_wing, write_images, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in NET.items()]
    command = ["lr-find", *flags, "--data", str(write_images()), "--lr-min", "1e-3", "--lr-max", "1", "--lr-steps"]
    for steps in (12, 15):  # the second sweep takes the first one's place
        assert cli.dispatch([*command, str(steps)]) == 0
        said = capsys.readouterr()
        assert "the loss falls most steeply there" in said.out
        assert said.err.startswith("lr-find: resnet18 (torch) on ")
        assert said.err.endswith(f"\nsweeping {steps} steps\n")
        assert len(json.loads((tmp_path / "lr-find" / "lr-find.json").read_text())["rates"]) == steps
    assert sorted(path.name for path in (tmp_path / "lr-find").iterdir()) == ["lr-find.json", "lr-find.png"]
    (tmp_path / "lr-find" / "model.safetensors").touch()
    with pytest.raises(ft.RunError, match=r"lr-find is in use \(it holds model.safetensors\)"):
        cli.dispatch([*command, "12"])
