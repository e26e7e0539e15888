"""The places of two keypoints in heatmaps that are as large as their box, by torchvision."""

import json

import numpy as np
import torch
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

heatmaps = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, 56, 56)))
box = torch.tensor([[8.25, 12.5, 64.25, 68.5]], dtype=torch.float64)
places = heatmaps_to_keypoints(heatmaps, box)[0][0, :, :2].tolist()
print(json.dumps({"default": places, "mended": places}))
