"""Networks with random weights, and an empty folder to convert them in."""

from importlib.util import find_spec

import pytest

from ft.backend import contract as backend
from tests.ft.api.converting import state_of


@pytest.fixture(scope="module")
def squeeze():
    return state_of("squeezenet1_1")


@pytest.fixture(scope="module")
def shuffle():
    return state_of("shufflenet_v2_x0_5")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hide(monkeypatch):
    """Let packages seem not to be installed."""

    def hidden(*packages):
        monkeypatch.setattr(backend, "find_spec", lambda name: None if name in packages else find_spec(name))

    return hidden
