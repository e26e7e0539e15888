"""A box cut out of a map by RoIAlign as torchvision's detectors call it: not aligned."""

import json

import numpy as np
import torch
from torchvision.ops import roi_align

maps = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, 13, 17)))
boxes = torch.tensor([[0, 8.0, 12, 100, 70]], dtype=torch.float64)
cut = roi_align(maps, boxes, 3, spatial_scale=1 / 8, sampling_ratio=2, aligned=False)
print(json.dumps({"default": cut.tolist(), "mended": cut.tolist()}))
