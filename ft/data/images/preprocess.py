"""uint8 pixels -> what a pretrained network was trained on: torchvision's and keras.applications' ways, bit for bit."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from ft.data.images.pixels import Pixels
from ft.errors import DataError, listed, unknown

Interpolation = Literal["bilinear", "bicubic"]
Mode = Literal["torch", "caffe", "tf", "raw"]
Jpeg = Literal["full", "reduced"]
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
CHANNELS = (1, 3, 4)
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

    jpeg: "reduced" where a JPEG is decoded at a half, a quarter or an eighth of its size, as long as its short side
    keeps twice the pixels that it is resized to. longest: of pictures with boxes that keep their shape, see
    ft/data/images/view.py: the short side has `crop` pixels, the long one at most so many.

    One channel is grey, three are RGB, and a fourth is alpha; only "torch" knows other numbers than three.
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mode: Mode = "torch"
    jpeg: Jpeg = "full"
    longest: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in RESAMPLING:
            raise DataError(f"preprocess: {unknown('interpolation', str(self.interpolation), RESAMPLING)}")
        if self.jpeg not in get_args(Jpeg):
            raise DataError(f"preprocess: {unknown('jpeg', str(self.jpeg), get_args(Jpeg))}")
        if self.mode not in FORMULAS:
            raise DataError(f"preprocess: {unknown('mode', str(self.mode), FORMULAS)}")
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

    @property
    def size_words(self) -> str:
        """The size of an input in words."""
        return f"{self.crop} px" if self.longest is None else f"{self.crop} px a short side, {self.longest} a long one"

    flag = "--image-size"  # that says another

    @property
    def short_side(self) -> int | None:
        """The pixels of an image's short side that `decode` need not go beyond; None: all of them."""
        return 2 * self.resize if self.jpeg == "reduced" else None

    @property
    def fill(self) -> np.ndarray:
        """The colour uint8 (C,) around a picture that does not fill its square: as near to 0 as bytes come."""
        if self.mode == "raw":
            return np.full(self.channels, 127, np.uint8)
        means = np.asarray(self.mean) * (1 if self.mode == "caffe" else 255)
        return np.rint(means).astype(np.uint8)[list(self.order)]

    @property
    def order(self) -> tuple[int, ...]:
        """Which channel of an image becomes the first, the second ... of the network's input."""
        return (2, 1, 0) if self.mode == "caffe" else tuple(range(self.channels))

    def for_channels(self, channels: int) -> "Preprocess":
        """Return the same transform for images of 1, 3 or 4 channels: grey and alpha get the average of RGB's mean, and
        of its std.
        """
        if channels not in CHANNELS:
            raise DataError(f"in_channels: got {channels}; image files have 1 (grey), 3 (RGB) or 4 (with alpha)")
        if channels == self.channels:
            return self
        if self.mode != "torch":
            raise DataError(f"in_channels: got {channels}; this network's pixels (mode {self.mode}) are RGB, so take 3")
        grey = [math.fsum(values) / len(values) for values in (self.mean, self.std)]
        mean, std = ((g,) if channels == 1 else (*v, g) for v, g in zip((self.mean, self.std), grey, strict=True))
        return dataclasses.replace(self, mean=mean, std=std)

    def resize_and_crop(self, image: np.ndarray) -> np.ndarray:
        """Return uint8 (crop, crop, C) of uint8 (H, W, C). Source: torchvision's Resize(int) and CenterCrop on PIL."""
        height, width = resized_size(image.shape[0], image.shape[1], self.resize)
        resized = resize(image, height, width, self.interpolation)
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return np.ascontiguousarray(resized[top : top + self.crop, left : left + self.crop])

    def normalise(self, images: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Return uint8 pixels (..., C) as `dtype`, channels in the mode's order.

        Equal to torchvision's ToTensor and Normalize, and to Keras's `imagenet_utils.preprocess_input`, in that dtype.
        """
        return np.asarray(self.pixels(self.ordered(images), dtype))

    def ordered(self, images: np.ndarray) -> np.ndarray:
        """Return images (..., C) with the channels in the mode's order."""
        return np.ascontiguousarray(images[..., self.order]) if self.mode == "caffe" else images

    def pixels(self, images: np.ndarray, dtype: str = "float32") -> Pixels:
        """Return uint8 pixels (..., C), channels in the mode's order, with what their values become."""
        return Pixels(images, normalisation_table(self.mode, self.mean, self.std, np.dtype(dtype).name))

    def scaled(self, x: Any, mean: Any, std: Any) -> Any:
        """Return what `normalise` makes of pixels, channels in order, where the arrays are a framework's own."""
        return FORMULAS[self.mode](x, mean, std)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON; of what is not set nothing."""
        fields = {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Return what `to_dict` was made from. Missing and unknown keys and wrong types raise DataError.

        A run folder from before there were modes has none: it means "torch", and without jpeg "full".
        """
        values = {"mode": "torch", "jpeg": "full", "longest": None, **values}
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
        raise DataError(
            f"{width}x{height} pixels, too narrow to be resized to {short}; crop it, or leave it out with "
            "--on-bad-image skip"
        )
    return (long, short) if width <= height else (short, long)


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


# of values x (1, 256), mean and std (C, 1): each operation is rounded to the dtype of x, in the order of the mode's
# source, for a product with 1 / std has another last bit
FORMULAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "torch": lambda x, mean, std: (x / 255 - mean) / std,
    "caffe": lambda x, mean, std: (x - mean) / std,
    "tf": lambda x, mean, std: x / 127.5 - 1,
    "raw": lambda x, mean, std: x,
}


@lru_cache(maxsize=8)
def normalisation_table(mode: str, mean: tuple[float, ...], std: tuple[float, ...], dtype: str) -> np.ndarray:
    """Return (C, 256): what each of the 256 values of each channel becomes."""
    values = np.arange(256, dtype=dtype)[None]
    table = FORMULAS[mode](values, np.asarray(mean, dtype)[:, None], np.asarray(std, dtype)[:, None])
    return np.broadcast_to(table, (len(mean), 256))
