"""How well numbers agree: errors, and the correlations of Pearson and Spearman, in NumPy float64."""

import numpy as np


def mean_squared_error(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the mean squared difference, NaN of nothing. Both: (N,)."""
    return float(((said - truth) ** 2).mean()) if len(truth) else float("nan")


def pearson(truth: np.ndarray, said: np.ndarray) -> float:
    """Return Pearson's correlation, NaN where either is of one value alone. Both: (N,), float64."""
    if any(len(x) < 2 or not np.isfinite(x).all() or (x == x[0]).all() for x in (truth, said)):
        return float("nan")
    a, b = (centred / np.linalg.norm(centred) for centred in (x - x.mean() for x in (truth, said)))
    return float(np.clip(a @ b, -1, 1))


def spearman(truth: np.ndarray, said: np.ndarray) -> float:
    """Return Spearman's correlation: Pearson's, of the ranks. Both: (N,)."""
    if not (np.isfinite(truth).all() and np.isfinite(said).all()):
        return float("nan")
    return pearson(ranks(truth), ranks(said))


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of each value in ascending order, from 1; equal ones share the mean of theirs. (N,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
