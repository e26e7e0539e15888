"""A row of an image of 64 x 64 pixels shrunk to 16 x 16 by torchvision, antialiased."""

import json

import numpy as np
import torch
from torchvision.transforms import functional as F

# float32, for tf.image.resize gives nothing else: the mended halves agree to 1e-6
image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (64, 64)).astype("float32"))
small = F.resize(image[None], [16, 16])
row = small[0, 8].tolist()
print(json.dumps({"default": row, "mended": row}))
