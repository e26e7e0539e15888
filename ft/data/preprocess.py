"""uint8 pixels -> what a pretrained network was trained on: torchvision's evaluation transform, bit for bit."""

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from ft.errors import DataError, listed, unknown

Interpolation = Literal["bilinear", "bicubic"]
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
CHANNELS = (1, 3, 4)
MAX_RESIZED_PIXELS = 89_478_485  # an image 1 pixel high and 5000 wide would grow to a gigabyte


@dataclass(frozen=True)
class Preprocess:
    """Resize the short side, crop the centre, scale to mean 0 and deviation 1.

    resize, crop: pixels, with crop <= resize; mean, std: per channel, of pixels scaled to 0..1. One channel is grey,
    three are RGB, and a fourth is alpha.
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.interpolation not in RESAMPLING:
            raise DataError(f"preprocess: {unknown('interpolation', str(self.interpolation), RESAMPLING)}")
        if not 0 < self.crop <= self.resize:
            raise DataError(
                f"preprocess: got crop {self.crop} of an image resized to {self.resize}; "
                "crop must be at least 1 and at most resize"
            )
        if len(self.mean) not in CHANNELS or len(self.std) != len(self.mean) or min(self.std) <= 0:
            raise DataError(f"preprocess: got mean {self.mean} and std {self.std}; expected three numbers, std above 0")

    def at(self, size: int) -> "Preprocess":
        """Return the same transform for images of another size, with the same share cropped away."""
        return dataclasses.replace(self, crop=size, resize=round(size * self.resize / self.crop))

    @property
    def channels(self) -> int:
        """The number of channels of the images."""
        return len(self.mean)

    def for_channels(self, channels: int) -> "Preprocess":
        """Return the same transform for images of 1, 3 or 4 channels: grey and alpha get the average of RGB's mean, and
        of its std.
        """
        if channels not in CHANNELS:
            raise DataError(f"in_channels: got {channels}; image files have 1 (grey), 3 (RGB) or 4 (with alpha)")
        if channels == self.channels:
            return self
        grey = [math.fsum(values) / len(values) for values in (self.mean, self.std)]
        mean, std = ((g,) if channels == 1 else (*v, g) for v, g in zip((self.mean, self.std), grey, strict=True))
        return dataclasses.replace(self, mean=mean, std=std)

    def resize_and_crop(self, image: np.ndarray) -> np.ndarray:
        """Return uint8 (crop, crop, C) of uint8 (H, W, C). Source: torchvision's Resize(int) and CenterCrop on PIL."""
        height, width = image.shape[:2]
        long = int(self.resize * max(height, width) / min(height, width))
        if self.resize * long > MAX_RESIZED_PIXELS:
            raise DataError(f"{width}x{height} pixels, too narrow to be resized to {self.resize}; crop it or remove it")
        height, width = (long, self.resize) if width <= height else (self.resize, long)
        resized = resize(image, height, width, self.interpolation)
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return np.ascontiguousarray(resized[top : top + self.crop, left : left + self.crop])

    def normalise(self, images: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Return uint8 pixels (..., C) as `dtype`, equal to torchvision's ToTensor and Normalize in that dtype."""
        table = normalisation_table(self.mean, self.std, np.dtype(dtype).name)
        result = np.empty(images.shape, table.dtype)
        for channel in range(self.channels):
            result[..., channel] = table[channel].take(images[..., channel])
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON."""
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Return what `to_dict` was made from. Missing and unknown keys and wrong types raise DataError."""
        wanted = {field.name for field in dataclasses.fields(cls)}
        if wanted != values.keys():
            raise DataError(f"preprocess: got the keys {listed(sorted(values))}; expected {listed(sorted(wanted))}")
        try:
            return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
        except TypeError:
            raise DataError(f"preprocess: got {values}; expected integers, a word, two lists of three") from None


def resize(image: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """Return uint8 (height, width, C) of uint8 (H, W, C), by Pillow, which antialiases when it shrinks.

    Alpha is a channel like any other: colours are not weighed by it.
    """
    if image.shape[2] == 1:
        return resize(np.repeat(image, 3, axis=2), height, width, interpolation)[:, :, :1]
    if image.shape[2] == 4:
        parts = (image[:, :, :3], image[:, :, 3:])
        return np.concatenate([resize(part, height, width, interpolation) for part in parts], axis=2)
    return np.asarray(Image.fromarray(image).resize((width, height), RESAMPLING[interpolation]))


@lru_cache(maxsize=8)
def normalisation_table(mean: tuple[float, ...], std: tuple[float, ...], dtype: str) -> np.ndarray:
    """Return (C, 256): what each of the 256 values of each channel becomes.

    Three operations, each rounded to `dtype`, in torchvision's order: a product with 1 / std has another last bit.
    """
    values = np.arange(256, dtype=dtype)[None] / np.asarray(255, dtype)
    table = (values - np.asarray(mean, dtype)[:, None]) / np.asarray(std, dtype)[:, None]
    table.setflags(write=False)
    return table
