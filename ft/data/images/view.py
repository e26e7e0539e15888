"""Which part of a picture shows, how large and mirrored or not: drawn once, applied to all that moves.

A picture is scaled, mirrored and laid into a square, and what it leaves free is filled; or it keeps its shape, and what
shows is as large as the picture. Pixels are resized as the network
wants it; masks by their nearest pixel and never blended, for a class between two others would be a third. The corners
of boxes move as the edges of pixels do. A box stays where its centre shows, cut off at the edges of what shows, which
leaves a quarter of it at least; it goes where less than a pixel of a side is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ft.data.images.augment import draw_flip
from ft.data.images.preprocess import resize
from ft.errors import DataError
from ft.metrics.pixels import LEFT_OUT

LEAST = 1.0  # pixels of each side of a box that is kept
SCALES = 0.5, 2.0  # of the size at which the picture just fits, drawn uniformly; torchvision's reference has the same


@dataclass(frozen=True)
class View:
    """A picture scaled to (height, width), with its upper left corner at (top, left) of a square of `size` pixels.

    top and left are negative where it reaches beyond the square; flip: mirrored; across: its columns, where it is none.
    """

    size: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    flip: bool = False
    across: int | None = None

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width of what shows."""
        return self.size, self.size if self.across is None else self.across

    @property
    def shown(self) -> tuple[slice, slice]:
        """The rows and columns of the square that show the picture."""
        rows, columns = self.frame
        return shown(self.top, self.height, rows), shown(self.left, self.width, columns)

    def pixels(self, picture: np.ndarray, interpolation: str, fill: np.ndarray) -> np.ndarray:
        """Return uint8 (*frame, C) of uint8 (H, W, C). fill: a colour (C,)."""
        return self.placed(resize(picture, self.height, self.width, interpolation), fill)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Return class numbers uint8 (*frame) of such (H, W); 255 around the picture."""
        resized = Image.fromarray(mask).resize((self.width, self.height), Image.Resampling.NEAREST)
        return self.placed(np.asarray(resized), np.uint8(LEFT_OUT))

    def shape(self, covered: np.ndarray) -> np.ndarray:
        """Return where an object shows, bool (*frame), that covers these pixels of its picture, bool (H, W)."""
        return self.mask(covered.astype(np.uint8)) == 1

    def points(self, points: np.ndarray, height: int, width: int, swaps: Sequence[int]) -> np.ndarray:
        """Return where keypoints (M, K, 3) of objects on a picture (height, width) show, float64 (M, K, 3).

        swaps: which one is which in a mirror. One that does not show is not marked.
        """
        own = points[:, list(swaps)] if self.flip else points
        x, y = own[..., 0] * (self.width / width), own[..., 1] * (self.height / height)
        x, y = (self.width - x if self.flip else x) + self.left, y + self.top
        rows, columns = self.shown
        inside = (x >= columns.start) & (x <= columns.stop) & (y >= rows.start) & (y <= rows.stop)
        marked = (own[..., 2] > 0) & inside
        return np.where(marked[..., None], np.stack([x, y, own[..., 2]], axis=-1), 0.0)

    def boxes(self, corners: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where boxes (M, 4) of a picture (height, width) show, float64 (M, 4), and which of them are kept."""
        scale = np.array([self.width / width, self.height / height])
        x, y = corners[:, 0::2] * scale[0], corners[:, 1::2] * scale[1]
        x = (self.width - x[:, ::-1] if self.flip else x) + self.left
        y = y + self.top
        rows, columns = self.shown
        middle_x, middle_y = x.mean(1), y.mean(1)
        kept = (middle_x > columns.start) & (middle_x < columns.stop) & (middle_y > rows.start) & (middle_y < rows.stop)
        x, y = np.clip(x, columns.start, columns.stop), np.clip(y, rows.start, rows.stop)
        moved = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)
        return moved, kept & (x[:, 1] - x[:, 0] >= LEAST) & (y[:, 1] - y[:, 0] >= LEAST)

    def placed(self, scaled: np.ndarray, fill: np.ndarray | np.uint8) -> np.ndarray:
        """Return the square with a scaled picture in it."""
        square = np.empty((*self.frame, *scaled.shape[2:]), scaled.dtype)
        square[:] = fill
        rows, columns = self.shown
        mirrored = scaled[:, ::-1] if self.flip else scaled
        square[rows, columns] = mirrored[moved(rows, self.top), moved(columns, self.left)]
        return square

    def restored(self, square: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return class numbers uint8 (height, width), a picture's own size, of what a network said of the square.

        For a view that shows the whole picture.
        """
        part = np.ascontiguousarray(square[self.shown])
        return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.NEAREST))


def shown(start: int, length: int, size: int) -> slice:
    """Return which of `size` pixels a picture of `length` covers that begins at `start`."""
    return slice(max(start, 0), min(start + length, size))


def moved(pixels: slice, start: int) -> slice:
    """Return pixels of the square as those of a picture that begins at `start`."""
    return slice(pixels.start - start, pixels.stop - start)


def fitted(height: int, width: int, size: int, scale: float = 1.0) -> View:
    """Return the view of a whole picture (height, width) that just fits into the square, times `scale`."""
    factor = scale * size / max(height, width)
    if round(factor * min(height, width)) < 1:
        raise DataError(f"{width}x{height} pixels, too narrow to be fitted into {size}x{size}; crop it")
    return View(size, round(height * factor), round(width * factor))


def drawn(height: int, width: int, size: int, rng: np.random.Generator) -> View:
    """Draw a view: the scale uniform, the place uniform over those with nothing more than must be free, half mirrored.

    Source: RandomResize, RandomCrop and RandomHorizontalFlip of torchvision's segmentation reference.
    """
    scaled = fitted(height, width, size, rng.uniform(*SCALES))
    top, left = (int(rng.integers(min(size - n, 0), max(size - n, 0) + 1)) for n in (scaled.height, scaled.width))
    return View(size, scaled.height, scaled.width, top, left, draw_flip(rng))


def scale_of(height: int, width: int, size: int, longest: int | None = None) -> float:
    """Return by how much a whole picture is scaled: to fit into a square; or with `longest`, see `whole`."""
    if longest is None:
        return size / max(height, width)
    return min(size / min(height, width), longest / max(height, width))


def whole(height: int, width: int, short: int, longest: int) -> View:
    """Return the view of a whole picture whose short side becomes `short` pixels, or its long one `longest` if sooner.

    Sides are rounded down. Source: GeneralizedRCNNTransform of torchvision, and interpolate of torch.
    """
    factor = scale_of(height, width, short, longest)
    rows, columns = (math.floor(side * factor) for side in (height, width))
    if min(rows, columns) < 1:
        raise DataError(f"{width}x{height} pixels, too narrow for a long side of {longest}; crop it")
    return View(rows, rows, columns, across=columns)


def jittered(height: int, width: int, short: int, longest: int, rng: np.random.Generator) -> View:
    """Draw a view of such a picture: the scale uniform, half mirrored.

    Of a larger one as much shows as of the whole one, anywhere; a smaller one is a smaller picture.
    """
    plain, scale = whole(height, width, short, longest), rng.uniform(*SCALES)
    tall, wide = (max(round(side * scale), 1) for side in plain.frame)
    rows, columns = min(tall, plain.height), min(wide, plain.width)
    top, left = (int(rng.integers(n - side, 1)) for n, side in ((rows, tall), (columns, wide)))
    return View(rows, tall, wide, top, left, draw_flip(rng), columns)
