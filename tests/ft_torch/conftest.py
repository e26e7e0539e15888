"""What the wing's tests share: a tiny network with its learner, and images that can be learned."""

from functools import partial

import pytest
import torch

import ft_torch
from tests.learners import colours, learner_of

torch.set_num_threads(1)  # tiny tensors; two threads wait for each other where the machine is shared


@pytest.fixture
def make_learner():
    """Build a learner of a network for three classes, started from the seed."""
    return partial(learner_of, ft_torch)


@pytest.fixture
def batch():
    """Return a batch of images (6, 32, 32, 3), a colour a class with noise."""
    return colours()
