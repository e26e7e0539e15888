"""The process of a run: where it computes, and each framework's words for an exhausted memory."""

import pytest

from ft.errors import RecipeError
from tests.wings.installed import WINGS, in_each_framework


def test_an_exhausted_memory_is_recognised(wing, framework):
    assert wing.is_out_of_memory(framework.out_of_memory())
    assert not wing.is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not wing.is_out_of_memory(ValueError("memory"))


# TensorFlow waits ten seconds for another to give back what lacks
TRULY = [pytest.param(name, marks=pytest.mark.slow if name == "tf" else ()) for name in WINGS]


@pytest.mark.parametrize("wing", TRULY, indirect=True)
def test_the_framework_itself_says_so(wing, framework):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of which kind is the question
        framework.exhaust_memory()
    assert wing.is_out_of_memory(caught.value)


def test_the_cpu_is_always_there(wing):
    assert wing.prepare(device="cpu", deterministic=True) == "cpu"


@in_each_framework
def test_a_missing_cuda_device_is_told(wing, framework):
    if framework.has_gpu():
        pytest.skip("a CUDA device is here")
    assert wing.prepare(device="auto", deterministic=True) == "cpu"
    with pytest.raises(RecipeError, match=f"no CUDA device is visible to {framework.title}; use --device cpu"):
        wing.prepare(device="cuda", deterministic=True)
