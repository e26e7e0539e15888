"""The loss of the deltas of five anchors of objects among twenty that were drawn, as torchvision's RPN has it."""

import json

import numpy as np
import torch
from torch.nn import functional as F

said, wanted = (torch.from_numpy(x) for x in np.random.default_rng(0).normal(size=(2, 5, 4)))
loss = F.smooth_l1_loss(said, wanted, beta=1 / 9, reduction="sum").item() / 20
print(json.dumps({"default": [loss], "mended": [loss]}))
