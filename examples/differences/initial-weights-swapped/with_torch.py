"""A trained BatchNorm in PyTorch, its tensors found by name."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x = torch.from_numpy(rng.normal(size=(2, 4, 3, 3)))
names = ("weight", "bias", "running_mean", "running_var")
tensors = {name: torch.from_numpy(rng.uniform(0.5, 1.5, 4)) for name in names}
norm = torch.nn.BatchNorm2d(4).double().eval()
norm.load_state_dict({**tensors, "num_batches_tracked": torch.tensor(0)})
y = norm(x).tolist()
print(json.dumps({"default": y, "mended": y}))
