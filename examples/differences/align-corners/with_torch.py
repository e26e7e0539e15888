"""A map of 3 x 4 resized to 6 x 9 by PyTorch, its pixels squares; and with corners aligned."""

import json

import numpy as np
import torch
from torch.nn import functional as F

x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, 3, 4)))
default = F.interpolate(x, size=(6, 9), mode="bilinear")
mended = F.interpolate(x, size=(6, 9), mode="bilinear", align_corners=True)
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
