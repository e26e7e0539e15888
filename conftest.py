"""For every test: PyTorch before TensorFlow, for torchvision crashes when it is imported second; and no spinning."""

import contextlib
import os

# PyTorch's idle threads would spin for the cores that TensorFlow, or the next process, computes on
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

with contextlib.suppress(ImportError):
    import torchvision  # noqa: F401
