"""A base that was put in inference mode, after PyTorch's model.train()."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, weight = torch.from_numpy(rng.normal(2, 3, size=(5, 4))), torch.from_numpy(rng.normal(size=(3, 4)))


def step(*, mended):
    base, head = torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3, bias=False)
    model = torch.nn.Sequential(base, head).double()
    head.load_state_dict({"weight": weight})
    base.eval()
    model.train()  # an epoch begins: every layer is in training mode again
    if mended:
        base.eval()
    return model(x).tolist()


print(json.dumps({"default": step(mended=False), "mended": step(mended=True)}))
