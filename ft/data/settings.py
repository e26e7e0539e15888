"""How samples become batches, as values that are passed whole."""

from dataclasses import dataclass
from typing import Literal

from ft.data.cut import Cut
from ft.data.images.decode import MAX_PIXELS
from ft.data.images.distort import Distortion
from ft.data.images.mix import Mix
from ft.errors import DataError
from ft.recipe import Recipe

WHOLE = Cut()


@dataclass(frozen=True)
class Sampling:
    """Which samples make a batch; all that is random about batches follows from the seed.

    shuffle: in another order each epoch, as training has them; balanced: an epoch draws as many images with
    replacement, each class with the same chance; where the data is multi-label, images without a label are one class
    more; cut: which part of each batch is read here; by_aspect: pictures with boxes of like shapes are together.
    """

    batch_size: int
    seed: int = 0
    shuffle: bool = False
    balanced: bool = False
    cut: Cut = WHOLE
    by_aspect: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"batch_size: got {self.batch_size}; a batch needs at least 1 image")


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random: the crop of each image and its side, its pixels, and batches by mixing."""

    augment: Literal["none", "flip", "crop-flip"] = "none"
    distortion: Distortion | None = None
    mix: Mix | None = None

    @classmethod
    def of(cls, recipe: Recipe, *, classes: int) -> "Augmentation":
        """Return that of a recipe."""
        operations, magnitude = recipe.operations
        distorts = operations or recipe.jitter or recipe.hue or recipe.erase
        distortion = Distortion(operations, magnitude, recipe.jitter, recipe.hue, recipe.erase) if distorts else None
        mixes = recipe.mixup or recipe.cutmix
        mix = Mix(recipe.mixup, recipe.cutmix, classes, recipe.seed) if mixes else None
        return cls(recipe.augment, distortion, mix)


@dataclass(frozen=True)
class Reading:
    """How files become arrays.

    dtype: of the images; with as_pixels they are handed over as `Pixels`, but where they are mixed or erased as
    numbers; workers: threads, 0 for none; read_timeout: seconds that an image is waited for.
    """

    dtype: str = "float32"
    as_pixels: bool = False
    workers: int = 2
    max_pixels: int = MAX_PIXELS
    read_timeout: float = 300.0

    @classmethod
    def of(cls, recipe: Recipe, *, as_pixels: bool) -> "Reading":
        """Return that of a recipe."""
        return cls(recipe.dtype, as_pixels, recipe.workers, recipe.max_pixels, recipe.read_timeout)


AS_THEY_ARE, USUAL = Augmentation(), Reading()
