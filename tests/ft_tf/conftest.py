"""What the wing's tests share: a tiny network with its learner, and images that can be learned."""

from functools import partial

import pytest
import tensorflow as tf

import ft_tf
from tests.learners import colours, learner_of


@pytest.fixture
def make_learner():
    """Build a learner of a network for three classes, started from the seed."""
    return partial(learner_of, ft_tf)


@pytest.fixture
def batch():
    """Return a batch of images (6, 32, 32, 3), a colour a class with noise."""
    return colours()


@pytest.fixture
def eager():
    """Run steps operation by operation: tracing a network takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
