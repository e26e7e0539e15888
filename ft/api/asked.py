"""What `Run.predict` may be asked about -> samples, and the form of its answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL.Image import Image

from ft.data import Sample
from ft.data.sources.pictures import URL, Pictures, all_pictures, find_pictures
from ft.errors import DataError, RecipeError, printable

Picture = str | Path | np.ndarray | Image
BadImages = Literal["error", "skip"]


@dataclass(frozen=True)
class Asked:
    """Samples, whose labels mean nothing, and whether one answer, a list or a dict of answers is wanted."""

    samples: list[Sample]
    form: Literal["one", "list", "dict"]


def asked_for(images: Picture | Iterable[Picture], *, missing: bool) -> Asked:
    """Return what is meant. missing: files that do not exist are told of when they are opened."""
    if isinstance(images, (str, Path)):
        named = find_pictures(images, missing=missing)
        return Asked(named.samples, "dict" if named.several else "one")
    if isinstance(images, Image) or (isinstance(images, np.ndarray) and images.ndim in (0, 2, 3)):
        return Asked([sample_of(0, images)], "one")
    if isinstance(images, bytes) or not isinstance(images, Iterable):
        raise RecipeError(f"images: got {type(images).__name__}; {EXPECTED}")
    return Asked([sample_of(i, image) for i, image in enumerate(images)], "list")


def all_asked(words: Iterable[str], *, missing: bool) -> Pictures:
    """Return what the words of a command line stand for."""
    return all_pictures(words, missing=missing)


EXPECTED = "expected a path, an image that Pillow opened, a uint8 array, or a list of these"


def sample_of(index: int, image: Picture) -> Sample:
    """Return one image of a list; each stands for itself, a folder and a pattern too."""
    if isinstance(image, (np.ndarray, Image)):
        return Sample(str(index), 0, image)
    if not isinstance(image, (str, Path)):
        raise RecipeError(f"images[{index}]: got {type(image).__name__}; {EXPECTED}")
    if URL.match(str(image)) and not Path(image).exists():
        raise DataError(f"'{printable(image)}' is a URL; download it and pass the file")
    return Sample(str(image), 0, Path(image))


def require(top: int, on_bad_image: str) -> None:
    """Raise RecipeError unless these can be had."""
    if top < 1:
        raise RecipeError(f"top: got {top}; it must be at least 1")
    if on_bad_image not in ("error", "skip"):
        raise RecipeError(f"on_bad_image: got '{printable(on_bad_image)}'; expected error or skip")
