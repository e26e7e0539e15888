"""A convolution of stride 2 with the padding that PyTorch users write."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x = torch.from_numpy(rng.normal(size=(2, 3, 8, 8)))
weight = torch.from_numpy(rng.normal(size=(4, 3, 3, 3)))

conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False).double()
conv.load_state_dict({"weight": weight})
y = conv(x).tolist()  # padded by 1 on every side
print(json.dumps({"default": y, "mended": y}))
