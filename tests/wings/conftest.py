"""One suite for every installed wing, and for the wing of NumPy that the hub's tests run on."""

from functools import partial
from types import ModuleType

import pytest

from ft.backend import contract as backend
from tests import numpy_wing
from tests.learners import colours, learner_of
from tests.wings.installed import FRAMEWORK_OF, WINGS


@pytest.fixture(scope="session", params=WINGS)
def wing(request) -> ModuleType:
    """Return one wing, "torch", "tf" or "numpy"."""
    return numpy_wing if request.param == "numpy" else backend.load(request.param)


@pytest.fixture(scope="session")
def framework(wing):
    """Return what the tests ask of the wing's framework."""
    return FRAMEWORK_OF[wing.__name__]()


@pytest.fixture
def eager(framework):
    """Run steps operation by operation: tracing a network takes longer than the few steps of a test."""
    with framework.eagerly():
        yield


@pytest.fixture
def make_learner(wing):
    """Build a learner of a network for three classes, started from the seed."""
    return partial(learner_of, wing)


@pytest.fixture
def batch():
    """Return a batch of images (6, 32, 32, 3), a colour a class with noise."""
    return colours()
