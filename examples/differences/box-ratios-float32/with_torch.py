"""A box of a picture that is made larger, by torchvision's transform; and by ratios in float64."""

import json

import torch
from torchvision.models.detection.transform import resize_boxes

old, new = (375, 500), (601, 799)
boxes = torch.tensor([[8.5, 12.25, 300, 170]], dtype=torch.float64)
default = resize_boxes(boxes, old, new)
down, across = (b / a for a, b in zip(old, new, strict=True))
mended = boxes * torch.tensor([across, down] * 2, dtype=torch.float64)
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
