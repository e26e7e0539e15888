"""Pixels on their way to a device: bytes, a quarter of what float32 takes, which become numbers only there.

By a table and not by a formula: a lookup gives the same bits in both frameworks and on every device, where a GPU may
divide by multiplying with a reciprocal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images uint8 (N, H, W, C), channels in the network's order, and what each of the 256 values becomes, (C, 256)."""

    values: np.ndarray
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray) -> "Pixels":
        return Pixels(self.values[rows], self.table)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the numbers, in the table's type: what a device makes of the pixels."""
        result = np.empty(self.values.shape, self.table.dtype)
        for channel, values in enumerate(self.table):
            result[..., channel] = values.take(self.values[..., channel])
        return result if dtype is None else result.astype(dtype, copy=False)
