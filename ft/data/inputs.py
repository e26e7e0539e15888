"""What a network is given: pixels of images, tokens of texts, or what its frozen base made of either, by tap."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ft.data.images.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Features:
    """What a base made of samples, by tap: what a part of the network takes, by the part's name, as "head".

    Arrays (N, ...) in the layout of the wing that made them, for this wing alone.
    """

    taps: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.taps.values())))

    def __getitem__(self, rows: slice | np.ndarray) -> "Features":
        return Features({name: array[rows] for name, array in self.taps.items()})

    def packed(self) -> np.ndarray:
        """Return one array: that of the tap, or of several taps a flat row (N, F) a sample."""
        if len(self.taps) == 1:
            return next(iter(self.taps.values()))
        return np.concatenate([array.reshape(len(array), -1) for array in self.taps.values()], axis=1)

    def unpacked(self, array: np.ndarray) -> "Features":
        """Return what was packed into `array`, of taps like these, without a copy."""
        if len(self.taps) == 1:
            return Features(dict.fromkeys(self.taps, array))
        ends = np.cumsum([0, *(tap[0].size for tap in self.taps.values())])
        return Features(
            {
                name: array[:, start:end].reshape(len(array), *tap.shape[1:])
                for (name, tap), (start, end) in zip(self.taps.items(), pairwise(ends), strict=True)
            }
        )


@dataclass(frozen=True, eq=False)
class TokenIds:
    """Texts by name, int64 (N, T) each: "ids", "mask" (1 for a token, 0 for padding) and, where wanted, "types"."""

    arrays: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.arrays["ids"])

    def __getitem__(self, rows: slice | np.ndarray) -> "TokenIds":
        return TokenIds({name: array[rows] for name, array in self.arrays.items()})


Given = np.ndarray | Pixels | TokenIds  # what a whole network takes: images (N, H, W, C), or texts
Inputs = Given | Features  # or, for its head alone, the features of samples
