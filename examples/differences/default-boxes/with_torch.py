"""The default boxes of one place by torchvision: two squares, then each ratio lying and standing."""

import json

import torch
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

boxes = DefaultBoxGenerator([[2, 3]], scales=[0.2, 0.35])
picture, place = torch.zeros(1, 3, 100, 100), torch.zeros(1, 1, 1, 1, dtype=torch.float64)
(corners,) = boxes(ImageList(picture, [(100, 100)]), [place])
print(json.dumps({"default": corners.tolist(), "mended": corners.tolist()}))
