"""The process of a run: what TensorFlow says when memory is exhausted is told from its other errors."""

import pytest
import tensorflow as tf

from ft_tf import is_out_of_memory


def test_an_exhausted_memory_is_recognised():
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of which kind is the question
        tf.zeros([1 << 20, 1 << 20, 1 << 10])
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("memory"))
