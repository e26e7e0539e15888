"""The process of a run: where it computes, and TensorFlow's words for an exhausted memory."""

import pytest
import tensorflow as tf

from ft.errors import RecipeError
from ft_tf import is_out_of_memory, prepare
from tests.page_faults import page_faults

GPUS = tf.config.list_physical_devices("GPU")


def test_an_exhausted_memory_is_recognised():
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of which kind is the question
        tf.zeros([1 << 20, 1 << 20, 1 << 10])
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("memory"))


def test_the_cpu_is_always_there():
    assert prepare(device="cpu", deterministic=True) == "cpu"


@pytest.mark.slow
def test_memory_is_kept_for_the_next_tensor():
    own = {"TF_ENABLE_ONEDNN_OPTS": "0"}  # with oneDNN's, TensorFlow keeps it anyway
    given_back = page_faults("ft_tf", "tensorflow", **own, TF_CPU_ALLOCATOR_USE_BFC="0")
    assert page_faults("ft_tf", "tensorflow", **own) * 4 < given_back


@pytest.mark.skipif(bool(GPUS), reason="a CUDA device is here")
def test_a_missing_cuda_device_is_told():
    assert prepare(device="auto", deterministic=True) == "cpu"
    with pytest.raises(RecipeError, match="no CUDA device is visible to TensorFlow; use --device cpu"):
        prepare(device="cuda", deterministic=True)


def test_an_apple_gpu_is_for_the_other_wing():
    with pytest.raises(RecipeError, match="mps is there in PyTorch only; use --backend torch, or --device cpu"):
        prepare(device="mps", deterministic=True)


@pytest.mark.skipif(not GPUS, reason="needs a CUDA device")
def test_tf32_is_off_and_memory_grows_on_a_gpu():
    assert prepare(device="auto", deterministic=False) == "cuda"
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    assert all(tf.config.experimental.get_memory_growth(gpu) for gpu in GPUS)
