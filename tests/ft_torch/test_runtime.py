"""The process of a run: where it computes, and PyTorch's words for an exhausted memory."""

import platform

import pytest
import torch

from ft.backend.ranks import Seat
from ft.errors import RecipeError
from ft.recipe import Recipe
from ft_torch import connect, count_gpus, prepare, ranks
from tests.page_faults import page_faults


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_the_memory_of_large_tensors_is_kept():
    assert page_faults("ft_torch", "torch") * 4 < page_faults("ft_torch", "torch", MALLOC_TRIM_THRESHOLD_="131072")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="an Apple GPU is here")
def test_a_missing_apple_gpu_is_told():
    with pytest.raises(RecipeError, match="PyTorch sees no Apple GPU here; use --device cpu"):
        prepare(device="mps", deterministic=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_tf32_is_off_on_a_gpu():
    assert prepare(device="auto", deterministic=False) == "cuda"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_an_apple_gpu_has_no_float64():
    assert Recipe(device="mps").device == "mps"
    with pytest.raises(RecipeError, match="Apple's GPU has no float64; take float32"):
        Recipe(device="mps", precision="float64")


def test_a_rank_takes_the_gpu_of_its_seat(monkeypatch):
    """A process more than there are GPUs is refused."""
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(ranks, "TorchRanks", lambda seat, *, gpus, timeout: gpus)
    assert connect(Seat(3, 4, 1, "host"), device="auto", timeout=1)
    assert taken == [1]
    with pytest.raises(RecipeError, match="LOCAL_RANK 2: this machine has 2 GPUs, and each process takes its own"):
        connect(Seat(2, 4, 2, "host"), device="cuda", timeout=1)
    assert not connect(Seat(2, 4, 2, "host"), device="cpu", timeout=1)
    assert taken == [1]


def test_gpus_that_a_training_may_use_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert count_gpus() == 2
