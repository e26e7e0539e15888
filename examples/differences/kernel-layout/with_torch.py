"""A convolution in PyTorch, its kernel taken over from Keras."""

import json

import numpy as np
import torch
from torch.nn import functional as F

rng = np.random.default_rng(0)
x, kernel = torch.from_numpy(rng.normal(size=(1, 4, 6, 5))), rng.normal(size=(3, 3, 4, 2))  # H, W, I, O
reversed_axes = kernel.T  # O, I, W, H: fits, for the kernel is square
weight = kernel.transpose(3, 2, 0, 1)  # O, I, H, W

default, mended = (F.conv2d(x, torch.from_numpy(w.copy())) for w in (reversed_axes, weight))
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
