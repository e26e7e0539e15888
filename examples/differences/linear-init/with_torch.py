"""A fresh linear layer in PyTorch: deviation of its weight and largest bias; and from numbers that NumPy drew."""

import json

import numpy as np
import torch

rng, bound = np.random.default_rng(0), 512**-0.5
weight, bias = rng.uniform(-bound, bound, (10, 512)), rng.uniform(-bound, bound, 10)

torch.manual_seed(0)
layer = torch.nn.Linear(512, 10).double()
default = [layer.weight.std(correction=0).item(), layer.bias.abs().max().item()]

layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
mended = [layer.weight.std(correction=0).item(), layer.bias.abs().max().item()]
print(json.dumps({"default": default, "mended": mended}))
