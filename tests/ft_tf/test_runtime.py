"""The process of a run: where it computes, and TensorFlow's words for an exhausted memory."""

import pytest
import tensorflow as tf

from ft.backend.ranks import Seat
from ft.errors import RecipeError
from ft_tf import connect, count_gpus, prepare, ranks
from tests.page_faults import page_faults

GPUS = tf.config.list_physical_devices("GPU")


@pytest.mark.slow
def test_memory_is_kept_for_the_next_tensor():
    own = {"TF_ENABLE_ONEDNN_OPTS": "0"}  # with oneDNN's, TensorFlow keeps it anyway
    given_back = page_faults("ft_tf", "tensorflow", **own, TF_CPU_ALLOCATOR_USE_BFC="0")
    assert page_faults("ft_tf", "tensorflow", **own) * 4 < given_back


def test_an_apple_gpu_is_for_the_other_wing():
    with pytest.raises(RecipeError, match="mps is there in PyTorch only; use --backend torch, or --device cpu"):
        prepare(device="mps", deterministic=True)


@pytest.mark.skipif(not GPUS, reason="needs a CUDA device")
def test_tf32_is_off_and_memory_grows_on_a_gpu():
    assert prepare(device="auto", deterministic=False) == "cuda"
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    assert all(tf.config.experimental.get_memory_growth(gpu) for gpu in GPUS)


def test_the_cpu_hides_the_gpus(monkeypatch):
    """Of a machine that has one: TensorFlow would place operations there whatever is chosen."""
    visible = ["GPU:0"]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(visible))
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda devices, kind: visible.__setitem__(slice(None), devices)
    )
    assert prepare(device="cpu", deterministic=True) == "cpu"
    assert not visible
    assert prepare(device="auto", deterministic=True) == "cpu"


def test_a_gpu_in_use_is_not_left_in_silence(monkeypatch):
    def in_use(devices, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", in_use)
    with pytest.raises(RecipeError, match="has used a GPU in this process already"):
        prepare(device="cpu", deterministic=True)


def test_a_rank_takes_the_gpu_of_its_seat(monkeypatch):
    """Only that is visible to it, and its memory grows; a process more than there are GPUs is refused."""
    done = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: done.append(devices))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, grows: done.append((gpu, grows)))
    monkeypatch.setattr(ranks, "TfRanks", lambda seat, *, gpus, timeout: gpus)
    assert connect(Seat(3, 4, 1, "host"), device="auto", timeout=1)
    assert done == [["GPU:1"], ("GPU:1", True)]
    with pytest.raises(RecipeError, match="worker 2: this machine has 2 GPUs, and each process takes its own"):
        connect(Seat(2, 4, 2, "host"), device="cuda", timeout=1)
    assert not connect(Seat(2, 4, 2, "host"), device="cpu", timeout=1)
    assert done[2:] == [[]]


def test_gpus_that_a_training_may_use_are_counted(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: {"GPU": ["first", "second"]}[kind])
    assert count_gpus() == 2
