"""A small data set in COCO's own form, whose objects have boxes, masks and keypoints."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ft.noise import generator

NAMES = ["middle", "left end", "right end"]


def coco_folder(root: Path, *, count: int) -> str:
    """Write noisy images with a red and a green bar each, of which three places are marked, and return the folder.

    A quarter of them, or one more, is for validation.
    """
    rng = generator(0, "bars")
    files = {split: {"images": [], "annotations": []} for split in ("train", "val")}
    for i in range(count):
        pixels, file = rng.integers(60, 120, (56, 64, 3)).astype(np.uint8), files["train" if i % 4 else "val"]
        file["images"].append({"id": i, "file_name": f"{i:03}.png", "height": 56, "width": 64})
        for channel in range(2):
            left, top = rng.integers(0, 36, 2).tolist()
            pixels[top : top + 20, left : left + 24, channel] = 250
            file["annotations"].append(bar(i, channel + 1, left, top))
        Image.fromarray(pixels).save(root / f"{i:03}.png")
    (root / "annotations").mkdir()
    for split, file in files.items():
        file["categories"] = [{"id": k, "name": name, "keypoints": NAMES} for k, name in ((1, "red"), (2, "green"))]
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(file))
    return str(root)


def bar(image: int, category: int, left: int, top: int) -> dict[str, object]:
    """Return an object of 24 by 20 pixels, as COCO has it."""
    right, bottom = left + 24, top + 20
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, 24, 20],
        "area": 480,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "keypoints": [left + 12, top + 10, 2, left + 2, top + 10, 2 * (image % 3 > 0), left + 22, top + 10, 1],
    }
