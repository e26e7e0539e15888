"""For every test: PyTorch before TensorFlow, for torchvision crashes when it is imported second."""

import contextlib

with contextlib.suppress(ImportError):
    import torchvision  # noqa: F401
