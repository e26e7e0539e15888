"""RandAugment, colour jitter and random erasing: what is done to an image is a pure function of the generator given.

In this order, after crop and flip: RandAugment, jitter (both on uint8 pixels), normalisation, erasing.
Sources: Cubuk et al., "RandAugment", 2020; Zhong et al., "Random erasing data augmentation", 2020. Operations,
strengths and ranges are torchvision's for Pillow images (31 bins, nearest neighbour, black corners); the random numbers
are not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

TOP = 30  # the highest magnitude of RandAugment
MOVE = 150 / 331  # share of the side that the highest magnitude moves an image by
AREA, LOG_RATIO = (0.02, 0.33), (math.log(0.3), math.log(3.3))  # of the box that is erased: share, height / width
TRIES = 10

Operation = Callable[[Image.Image, float], Image.Image]


@dataclass(frozen=True)
class Distortion:
    """What is done to single images.

    operations, magnitude: RandAugment's N and M (0 operations: none); jitter: colour factors lie in 1 +- jitter; hue:
    hues are turned by up to this share of the circle; erase: the share of the images that lose a box.
    """

    operations: int = 0
    magnitude: int = 9
    jitter: float = 0.0
    hue: float = 0.0
    erase: float = 0.0

    def pixels(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return uint8 (H, W, C) after RandAugment and jitter. Grey is three colours alike, alpha moves with them."""
        if not self.operations and not self.jitter and not self.hue:
            return image
        channels = image.shape[2]
        picture = Image.fromarray(np.repeat(image, 3, axis=2) if channels == 1 else image[:, :, :3])
        alpha = Image.fromarray(image[:, :, 3]) if channels == 4 else None
        for _ in range(self.operations):
            name, sign = str(rng.choice(NAMES)), rng.choice((-1, 1))
            by = strength(name, self.magnitude, picture.size) * sign
            picture = apply_operation(picture, name, by)
            alpha = apply_operation(alpha, name, by) if alpha and name in MOVES else alpha
        if self.jitter or self.hue:
            picture = jittered(picture, self.jitter, self.hue, rng)
        pixels = np.asarray(picture)[:, :, :channels]
        return pixels if alpha is None else np.dstack([pixels, np.asarray(alpha)])

    def normalised(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return float (H, W, C), `erase` of the time with a box of zeros: the mean colour."""
        if not self.erase or rng.random() >= self.erase:
            return image
        top, left, height, width = draw_erased(image.shape[0], image.shape[1], rng)
        image[top : top + height, left : left + width] = 0
        return image


def shear_x(image: Image.Image, by: float) -> Image.Image:
    """Shear along the rows, the top row fixed."""
    return warp(image, (1, by, 0, 0, 1, 0))


def shear_y(image: Image.Image, by: float) -> Image.Image:
    """Shear along the columns, the left column fixed."""
    return warp(image, (1, 0, 0, by, 1, 0))


def move_x(image: Image.Image, by: float) -> Image.Image:
    """Move by whole pixels to the right."""
    return warp(image, (1, 0, -int(by), 0, 1, 0))


def move_y(image: Image.Image, by: float) -> Image.Image:
    """Move by whole pixels down."""
    return warp(image, (1, 0, 0, 0, 1, -int(by)))


def warp(image: Image.Image, inverse: tuple[float, ...]) -> Image.Image:
    """Return the affine map whose inverse is the given 2 x 3 matrix."""
    return image.transform(image.size, Image.Transform.AFFINE, inverse, Image.Resampling.NEAREST)


def rotate(image: Image.Image, by: float) -> Image.Image:
    """Rotate about the centre by degrees, counter-clockwise."""
    return image.rotate(by, Image.Resampling.NEAREST)


def brightness(image: Image.Image, factor: float) -> Image.Image:
    """Blend with black."""
    return ImageEnhance.Brightness(image).enhance(factor)


def colour(image: Image.Image, factor: float) -> Image.Image:
    """Blend with the grey image."""
    return ImageEnhance.Color(image).enhance(factor)


def contrast(image: Image.Image, factor: float) -> Image.Image:
    """Blend with the image's mean grey."""
    return ImageEnhance.Contrast(image).enhance(factor)


def hue(image: Image.Image, by: float) -> Image.Image:
    """Turn the hues by a share of the circle."""
    turned, *rest = image.convert("HSV").split()
    turned = Image.fromarray(np.asarray(turned) + np.uint8(int(by * 255) % 256))  # modulo 256, as a circle is
    return Image.merge("HSV", (turned, *rest)).convert("RGB")


def sharpness(image: Image.Image, factor: float) -> Image.Image:
    """Blend with the smoothed image."""
    return ImageEnhance.Sharpness(image).enhance(factor)


# name -> what it does at a strength, and whether its sign is drawn
OPERATIONS: dict[str, tuple[Operation, bool]] = {
    "Identity": (lambda image, _: image, False),
    "ShearX": (shear_x, True),
    "ShearY": (shear_y, True),
    "TranslateX": (move_x, True),
    "TranslateY": (move_y, True),
    "Rotate": (rotate, True),
    "Brightness": (lambda image, by: brightness(image, 1 + by), True),
    "Color": (lambda image, by: colour(image, 1 + by), True),
    "Contrast": (lambda image, by: contrast(image, 1 + by), True),
    "Sharpness": (lambda image, by: sharpness(image, 1 + by), True),
    "Posterize": (lambda image, bits: ImageOps.posterize(image, int(bits)), False),
    "Solarize": (lambda image, limit: ImageOps.solarize(image, math.ceil(limit)), False),
    "AutoContrast": (lambda image, _: ImageOps.autocontrast(image), False),
    "Equalize": (lambda image, _: ImageOps.equalize(image), False),
}
NAMES = tuple(OPERATIONS)
MOVES = {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"}  # what moves pixels: the others change colours
HIGHEST = {
    "ShearX": 0.3,
    "ShearY": 0.3,
    "Rotate": 30.0,
    "Brightness": 0.9,
    "Color": 0.9,
    "Contrast": 0.9,
    "Sharpness": 0.9,
}


def apply_operation(image: Image.Image, name: str, by: float) -> Image.Image:
    """Return an image after one operation; an operation that has no direction takes the size of `by` alone."""
    operation, signed = OPERATIONS[name]
    return operation(image, by if signed else abs(by))


def strength(name: str, magnitude: int, size: tuple[int, int]) -> float:
    """Return how strong an operation is at a magnitude of 0 to 30. size: width and height, which set what moves."""
    share = magnitude / TOP
    if name == "Posterize":  # bits that are kept
        return 8 - round(magnitude / (TOP / 4))
    if name == "Solarize":  # values from here on are inverted
        return 255 * (TOP - magnitude) / TOP
    if name in ("TranslateX", "TranslateY"):
        return share * MOVE * size[name == "TranslateY"]
    return share * HIGHEST.get(name, 0.0)


def jittered(image: Image.Image, jitter: float, turn: float, rng: np.random.Generator) -> Image.Image:
    """Return an image with brightness, contrast, saturation and hue changed, in an order that is drawn too."""
    changes: list[Operation] = [brightness, contrast, colour]
    strengths = list(rng.uniform(max(0.0, 1 - jitter), 1 + jitter, 3))
    if turn:
        changes.append(hue)
        strengths.append(rng.uniform(-turn, turn))
    for i in rng.permutation(len(changes)):
        image = changes[i](image, float(strengths[i]))
    return image


def draw_erased(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a box (top, left, height, width) smaller than the image; an empty one where ten tries find none."""
    for _ in range(TRIES):
        area = height * width * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(*LOG_RATIO))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    return 0, 0, 0, 0
