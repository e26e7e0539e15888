"""What is checked on a GPU runs unchanged where there is none; on the CPU it finds a fault that is planted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ft_peers import gpu
from tests.oracle import needs_torch

ROOT = Path(__file__).parents[3]
ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

BROUGHT = ["numpy", "PIL", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec", "setuptools"]
BROUGHT += ["typing_extensions", "optree", "torchgen", "functorch", "triton"]
KEPT = {"torch", "torchvision", "ft", "ft_torch", "ft_peers", *BROUGHT, *sys.stdlib_module_names}


class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return super().find_spec(name, path, target) if name[0] == "_" or name.partition(".")[0] in KEPT else None


sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Bare]
"""


def run(folder, *flags, **environment):
    """Run it and return the finished process and the figures that it wrote."""
    command = [sys.executable, "-m", "ft_peers.gpu", "--out", str(folder / "gpu.json"), *flags]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=hidden)
    return done, json.loads((folder / "gpu.json").read_text())


@needs_torch
def test_without_a_gpu_all_is_skipped_with_the_reason(tmp_path):
    done, found = run(tmp_path, "--only", "torch")
    assert (done.returncode, done.stderr) == (0, "")
    assert {each["skipped"] for each in found.values()} == {"torch sees no CUDA device"}
    assert len(done.stdout.splitlines()) == len(found) + 1
    assert any("alexnet" in name for name in found)
    assert any("googlenet" in name for name in found)


def test_without_any_package_all_is_skipped_with_the_reason():
    command = [sys.executable, "-S", "-m", "ft_peers.gpu"]  # without site-packages
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "skipped  all: numpy and PIL not installed; torchvision brings them along\n"


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_a_check_is_rehearsed(tmp_path, alone):
    """Also where PyTorch and torchvision, and what these bring along, are all that is installed."""
    (tmp_path / "sitecustomize.py").write_text(ALONE if alone else "")
    place = {"PYTHONPATH": str(tmp_path)}
    done, found = run(tmp_path, "--rehearse", "--only", "torch repeated resnet18", **place)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert found["torch repeated resnet18"]["passed"]


@needs_torch
def test_a_difference_fails(monkeypatch):
    from ft_peers import gpu_equal

    setting = gpu_equal.Setting("torch", "resnet18", steps=1, size=32, batch=2)
    honest = gpu_equal.Setting.weights
    calls = []

    def strayed(self, device, precision="float64"):
        calls.append(device)
        return {name: w + 1e-6 * len(calls) for name, w in honest(self, device, precision).items()}

    monkeypatch.setattr(gpu_equal.Setting, "weights", strayed)
    assert not gpu_equal.float64(setting, "cpu")["passed"]
    assert not gpu_equal.repeated(setting, "cpu")["passed"]
    assert gpu_equal.repeated(setting, "cpu")["measured"] > 0


def test_what_takes_too_long_or_fails_is_said(monkeypatch):
    args = gpu.FLAGS.parse_args(["--rehearse"])
    assert gpu.run_apart("no such check", args, 60)["error"].startswith("KeyError")
    assert gpu.run_apart("torch cpu is the cpu", args, 0.01)["error"] == "not done in 0 s"
    assert gpu.line_of("a", {"passed": False, "error": "why"}).split() == ["FAILED", "a", "why"]


@needs_torch
@pytest.mark.slow
def test_all_of_it_is_rehearsed(tmp_path):
    done, found = run(tmp_path, "--rehearse", "--only", "torch")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert all("measured" in each for each in found.values())
