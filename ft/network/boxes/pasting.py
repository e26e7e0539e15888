"""The mask of a detection, said on a grid over its box, as pixels of its picture.

Source: torchvision/models/detection/roi_heads.py, paste_masks_in_image. The grid gets a frame of zeros and its box
grows by as much; corners are cut to whole pixels; between the grid's points it is bilinear; a pixel is the object's
above one half.
"""

import numpy as np

from ft.network.resize import bilinear_weights

FRAME = 1  # points of the grid on each side
SURE = 0.5


def paste(said: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a picture that an object covers, bool (H, W). said: probabilities (M, M); box: (4,)."""
    framed = np.pad(said.astype(np.float64), FRAME)
    x1, y1, x2, y2 = grown(box.astype(np.float64), len(framed) / len(said)).astype(np.int64).tolist()
    rows, columns = range(max(y1, 0), min(y2 + 1, height)), range(max(x1, 0), min(x2 + 1, width))
    mask = np.zeros((height, width), np.bool_)
    if rows and columns:
        down = bilinear_weights(len(framed), max(y2 - y1 + 1, 1))[rows.start - y1 : rows.stop - y1]
        across = bilinear_weights(len(framed), max(x2 - x1 + 1, 1))[columns.start - x1 : columns.stop - x1]
        mask[rows.start : rows.stop, columns.start : columns.stop] = down @ framed @ across.T > SURE
    return mask


def grown(box: np.ndarray, factor: float) -> np.ndarray:
    """Return a box (4,) whose sides are that many times as long around the same middle."""
    half, middle = (box[2:] - box[:2]) * 0.5 * factor, (box[2:] + box[:2]) * 0.5
    return np.concatenate([middle - half, middle + half])
