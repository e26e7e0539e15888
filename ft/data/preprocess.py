"""uint8 pixels -> what a pretrained network was trained on: torchvision's and keras.applications' ways, bit for bit."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from ft.errors import DataError, listed, unknown

Interpolation = Literal["bilinear", "bicubic"]
Mode = Literal["torch", "caffe", "tf", "raw"]
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_RESIZED_PIXELS = 89_478_485  # an image 1 pixel high and 5000 wide would grow to a gigabyte


@dataclass(frozen=True)
class Preprocess:
    """Resize the short side, crop the centre, bring the pixels into the network's range.

    resize, crop: pixels, with crop <= resize; mean, std: per channel; mode: what becomes of a pixel x of 0..255:

    | mode    | result                                                                |
    |---------|-----------------------------------------------------------------------|
    | "torch" | (x / 255 - mean) / std, channels R, G, B                              |
    | "caffe" | (x - mean) / std, channels B, G, R, mean and std in that order        |
    | "tf"    | x / 127.5 - 1; mean and std only say so in the terms of "torch"       |
    | "raw"   | x, for networks that normalise inside; mean and std are not looked at |
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mode: Mode = "torch"

    def __post_init__(self) -> None:
        if self.interpolation not in RESAMPLING:
            raise DataError(f"preprocess: {unknown('interpolation', str(self.interpolation), RESAMPLING)}")
        if self.mode not in TABLES:
            raise DataError(f"preprocess: {unknown('mode', str(self.mode), TABLES)}")
        if not 0 < self.crop <= self.resize:
            raise DataError(
                f"preprocess: got crop {self.crop} of an image resized to {self.resize}; "
                "crop must be at least 1 and at most resize"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise DataError(f"preprocess: got mean {self.mean} and std {self.std}; expected three numbers, std above 0")

    def at(self, size: int) -> "Preprocess":
        """Return the same transform for images of another size, with the same share cropped away."""
        return dataclasses.replace(self, crop=size, resize=round(size * self.resize / self.crop))

    def resize_and_crop(self, image: np.ndarray) -> np.ndarray:
        """Return uint8 (crop, crop, 3) of uint8 (H, W, 3). Source: torchvision's Resize(int) and CenterCrop on PIL."""
        height, width = resized_size(image.shape[0], image.shape[1], self.resize)
        resized = resize(image, height, width, self.interpolation)
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return np.ascontiguousarray(resized[top : top + self.crop, left : left + self.crop])

    def normalise(self, images: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Return uint8 RGB pixels (..., 3) as `dtype`, channels in the mode's order.

        Equal to torchvision's ToTensor and Normalize, and to Keras's `imagenet_utils.preprocess_input`, in that dtype.
        """
        table = normalisation_table(self.mode, self.mean, self.std, np.dtype(dtype).name)
        result = np.empty(images.shape, table.dtype)
        for channel, source in enumerate((2, 1, 0) if self.mode == "caffe" else (0, 1, 2)):
            result[..., channel] = table[channel].take(images[..., source])
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON."""
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Return what `to_dict` was made from. Missing and unknown keys and wrong types raise DataError.

        A run folder from before there were modes has none: it means "torch".
        """
        values = {"mode": "torch", **values}
        wanted = {field.name for field in dataclasses.fields(cls)}
        if wanted != values.keys():
            raise DataError(f"preprocess: got the keys {listed(sorted(values))}; expected {listed(sorted(wanted))}")
        try:
            return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
        except TypeError:
            raise DataError(f"preprocess: got {values}; expected integers, a word, two lists of three") from None


def resized_size(height: int, width: int, short: int) -> tuple[int, int]:
    """Return height and width once the short side is `short`; DataError where the long one would not fit in memory."""
    long = int(short * max(height, width) / min(height, width))
    if short * long > MAX_RESIZED_PIXELS:
        raise DataError(f"{width}x{height} pixels, too narrow to be resized to {short}; crop it or remove it")
    return (long, short) if width <= height else (short, long)


def resize(image: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """Return uint8 (height, width, 3) of uint8 (H, W, 3), by Pillow, which antialiases when it shrinks."""
    return np.asarray(Image.fromarray(image).resize((width, height), RESAMPLING[interpolation]))


# of values x (1, 256), mean and std (3, 1): each operation is rounded to the dtype of x, in the order of the mode's
# source, for a product with 1 / std has another last bit
TABLES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "torch": lambda x, mean, std: (x / x.dtype.type(255) - mean) / std,
    "caffe": lambda x, mean, std: (x - mean) / std,
    "tf": lambda x, mean, std: x / x.dtype.type(127.5) - x.dtype.type(1),
    "raw": lambda x, mean, std: x,
}


@lru_cache(maxsize=8)
def normalisation_table(mode: str, mean: tuple[float, ...], std: tuple[float, ...], dtype: str) -> np.ndarray:
    """Return (3, 256): what each of the 256 values of each channel becomes."""
    values = np.arange(256, dtype=dtype)[None]
    table = TABLES[mode](values, np.asarray(mean, dtype)[:, None], np.asarray(std, dtype)[:, None])
    return np.broadcast_to(table, (3, 256))
