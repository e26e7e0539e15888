"""Bicubic resizing of a grid of vectors, as torch.nn.functional.interpolate does it, in NumPy."""

import numpy as np

SHARPNESS = -0.75  # the free coefficient of Keys's kernel, as in PyTorch; Pillow has -0.5
# Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981


def resize_bicubic(grid: np.ndarray, side: int, *, align_corners: bool) -> np.ndarray:
    """Return a grid (n, n, C) at another size (side, side, C), float64; beyond the border its values go on."""
    matrix = bicubic_matrix(grid.shape[0], side, align_corners=align_corners)
    return np.einsum("ai,bj,ijc->abc", matrix, matrix, grid)


def bicubic_matrix(before: int, after: int, *, align_corners: bool) -> np.ndarray:
    """Return (after, before): the weight of each old place in each new one; every row sums to 1."""
    if align_corners:
        centres = np.arange(after) * ((before - 1) / (after - 1) if after > 1 else 0.0)
    else:
        centres = (np.arange(after) + 0.5) * (before / after) - 0.5
    first = np.floor(centres).astype(np.int64)
    matrix = np.zeros((after, before))
    for offset in (-1, 0, 1, 2):
        place = np.clip(first + offset, 0, before - 1)
        np.add.at(matrix, (np.arange(after), place), cubic(np.abs(centres - first - offset)))
    return matrix


def cubic(distance: np.ndarray) -> np.ndarray:
    """Return Keys's kernel at distances from 0 to 2."""
    a, d = SHARPNESS, distance
    return np.where(d <= 1, ((a + 2) * d - (a + 3)) * d**2 + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
