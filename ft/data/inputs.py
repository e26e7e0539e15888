"""What a network is given: pixels of images, tokens of texts, or what its frozen base made of either, by tap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ft.data.images.pixels import Pixels

STEP = 32  # pixels that both sides of padded images are a multiple of


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


@dataclass(frozen=True, eq=False)
class Padded:
    """Images (N, H, W, C) with a picture each in the upper left corner, 0 around it; sizes: of these, int64 (N, 2)."""

    images: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | np.ndarray) -> "Padded":
        return Padded(self.images[rows], self.sizes[rows])

    @classmethod
    def of(cls, pictures: Sequence[np.ndarray]) -> "Padded":
        """Return pictures (h, w, C) of different sizes, padded to a multiple of 32."""
        sizes = np.array([picture.shape[:2] for picture in pictures], np.int64)
        images = np.zeros((len(pictures), *frame_of(sizes), pictures[0].shape[2]), pictures[0].dtype)
        for image, picture, (height, width) in zip(images, pictures, sizes, strict=True):
            image[:height, :width] = picture
        return cls(images, sizes)

    def at_least(self, frame: tuple[int, int]) -> "Padded":
        """Return the same pictures in images of that height and width, which are at least as large."""
        rows, columns = (side - own for side, own in zip(frame, self.images.shape[1:3], strict=True))
        return Padded(np.pad(self.images, ((0, 0), (0, rows), (0, columns), (0, 0))), self.sizes)


def frame_of(sizes: np.ndarray) -> tuple[int, int]:
    """Return the least multiples of 32 for pictures (N, 2) to fit into, as torchvision pads them."""
    height, width = (-(-sizes.max(0) // STEP) * STEP).tolist()
    return height, width


Given = np.ndarray | Pixels | TokenIds | Padded  # what a whole network takes: images (N, H, W, C), or texts
Inputs = Given | Features  # or, for its head alone, the features of samples
