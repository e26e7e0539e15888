"""The mask of a detection, said on a grid over its box, as pixels of its picture.

Source: torchvision/models/detection/roi_heads.py, paste_masks_in_image. The grid gets a frame of zeros and its box
grows by as much; corners are cut to whole pixels; between the grid's points it is bilinear; a pixel is the object's
above one half.
"""

import numpy as np

FRAME = 1  # points of the grid on each side
SURE = 0.5


def paste(said: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of a picture that an object covers, bool (H, W). said: probabilities (M, M); box: (4,)."""
    framed = np.pad(said.astype(np.float64), FRAME)
    x1, y1, x2, y2 = grown(box.astype(np.float64), len(framed) / len(said)).astype(np.int64).tolist()
    rows, columns = range(max(y1, 0), min(y2 + 1, height)), range(max(x1, 0), min(x2 + 1, width))
    mask = np.zeros((height, width), np.bool_)
    if rows and columns:
        down = between(np.array(rows) - y1, max(y2 - y1 + 1, 1), len(framed))
        across = between(np.array(columns) - x1, max(x2 - x1 + 1, 1), len(framed))
        mask[rows.start : rows.stop, columns.start : columns.stop] = down @ framed @ across.T > SURE
    return mask


def grown(box: np.ndarray, factor: float) -> np.ndarray:
    """Return a box (4,) whose sides are that many times as long around the same middle."""
    half, middle = (box[2:] - box[:2]) * 0.5 * factor, (box[2:] + box[:2]) * 0.5
    return np.concatenate([middle - half, middle + half])


def between(places: np.ndarray, length: int, points: int) -> np.ndarray:
    """Return what each place of a line of `length` pixels takes of each of `points`, (N, points), bilinear."""
    own = np.maximum((places + 0.5) * (points / length) - 0.5, 0.0)
    low = np.minimum(own.astype(np.int64), points - 1)
    share, shares = own - low, np.zeros((len(places), points))
    rows = np.arange(len(places))
    shares[rows, low] = 1.0 - share
    shares[rows, np.minimum(low + 1, points - 1)] += share
    return shares
