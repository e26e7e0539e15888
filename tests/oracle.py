"""PyTorch as the oracle of the hub's tests: `from tests.oracle import needs_torch, torch`.

Where it is not installed, the names stand for nothing: a file can still be collected, its tests with the mark
`needs_torch` are left out (tests/ft/conftest.py), and one without the mark fails as soon as it asks for something.
"""

import os
from typing import Any

import pytest

needs_torch = pytest.mark.needs_torch


class Absent:
    """What is not installed, and all that can be asked of it while a test file is collected."""

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        if "PYTEST_CURRENT_TEST" in os.environ:
            raise ModuleNotFoundError(f"torch is not installed, where {name} is asked for: mark the test needs_torch")
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> "Absent":
        return self

    def __contains__(self, item: object) -> bool:
        return False


try:
    import torch
    import torch._utils
    from torch.optim import lr_scheduler
    from torchvision import models, transforms
    from torchvision.transforms import autoaugment, functional, v2
except ImportError:
    torch = lr_scheduler = models = transforms = autoaugment = functional = v2 = Absent()
INSTALLED = not isinstance(torch, Absent)
