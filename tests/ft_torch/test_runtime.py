"""The process of a run: what PyTorch says when memory is exhausted is told from its other errors."""

import pytest
import torch

from ft_torch import is_out_of_memory


def test_an_exhausted_memory_is_recognised():
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of which kind is the question
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("memory"))
