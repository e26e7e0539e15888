"""Both frameworks in one process: torchvision after TensorFlow crashes, so PyTorch comes first."""

import logging

import torch  # noqa: F401
import torchvision  # noqa: F401

from ft import backend
from ft.quiet import quiet_stderr

with quiet_stderr():
    for name in ("torch", "tf"):
        backend.load(name).prepare(device="cpu", deterministic=True)

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # a new Learner a test looks like retracing to TensorFlow
