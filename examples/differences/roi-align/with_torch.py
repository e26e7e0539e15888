"""Two boxes cut out of a map by RoIAlign, 3 x 3 bins of 2 x 2 points, and what TensorFlow must imitate."""

import json

import numpy as np
import torch
from torchvision.ops import roi_align

rng = np.random.default_rng(0)
maps = torch.from_numpy(rng.normal(size=(1, 2, 13, 17)))
boxes = torch.tensor([[0, 8.0, 12, 100, 70], [0, 30.0, 5, 60, 90]], dtype=torch.float64)
cut = roi_align(maps, boxes, 3, spatial_scale=1 / 8, sampling_ratio=2)
print(json.dumps({"default": cut.tolist(), "mended": cut.tolist()}))
