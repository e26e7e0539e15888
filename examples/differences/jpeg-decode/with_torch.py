"""The middle row of a JPEG as torchvision decodes it, bit for bit as Pillow does."""

import io
import json

import numpy as np
import torch
from PIL import Image
from torchvision.io import decode_jpeg

blobs = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
file = io.BytesIO()
blobs.resize((32, 32), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)

pixels = decode_jpeg(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8))
row = pixels[:, 16].T.tolist()
print(json.dumps({"default": row, "mended": row}))
