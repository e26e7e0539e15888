"""A mask of 4 x 4 pasted into a picture of 16 x 16 by torchvision: covered pixels by row."""

import json

import numpy as np
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

mask = torch.from_numpy(np.random.default_rng(0).random((1, 1, 4, 4)))
box = torch.tensor([[2.3, 3.6, 11.2, 12.4]], dtype=torch.float64)
rows = (paste_masks_in_image(mask, box, (16, 16)) > 0.5)[0, 0].sum(1).tolist()
print(json.dumps({"default": rows, "mended": rows}))
