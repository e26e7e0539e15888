"""A depthwise convolution of 3 channels by 2 filters each, its kernel taken over from Keras."""

import json

import numpy as np
import torch
from torch.nn import functional as F

rng = np.random.default_rng(0)
x, kernel = torch.from_numpy(rng.normal(size=(1, 3, 6, 5))), rng.normal(size=(3, 3, 3, 2))  # H, W, I, M
by_filter = kernel.transpose(3, 2, 0, 1).reshape(6, 1, 3, 3)  # fits, but filter m of channel i comes to m * I + i
by_channel = kernel.transpose(2, 3, 0, 1).reshape(6, 1, 3, 3)  # to i * M + m, where Keras has it

default, mended = (F.conv2d(x, torch.from_numpy(weight), groups=3) for weight in (by_filter, by_channel))
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
