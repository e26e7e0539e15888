"""The loss of objectness in a double model of torchvision's, whose labels are float32; and with labels of its type."""

import json

import numpy as np
import torch
from torch.nn import functional as F

scores = torch.from_numpy(np.random.default_rng(0).normal(size=50))
labels = (torch.arange(50) % 3 == 0).float()  # as RegionProposalNetwork.assign_targets_to_anchors makes them
default = F.binary_cross_entropy_with_logits(scores, labels)
mended = F.binary_cross_entropy_with_logits(scores, labels.double())
print(json.dumps({"default": [default.item()], "mended": [mended.item()]}))
