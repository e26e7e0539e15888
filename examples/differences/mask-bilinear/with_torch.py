"""A mask of 4 x 4 pixels made twice as large by PyTorch: each new pixel is the nearest old one."""

import json

import numpy as np
import torch
from torch.nn import functional as F

mask = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (4, 4)))
large = F.interpolate(mask[None, None].double(), size=(8, 8)).long()
row = large[0, 0, 3].tolist()
print(json.dumps({"default": row, "mended": row}))
