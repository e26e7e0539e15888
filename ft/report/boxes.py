"""Boxes drawn on their picture, each with its class and, where it was found, its score."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ft.errors import printable
from ft.report.masks import palette

PAPER, INK = (0, 0, 0), (255, 255, 255)


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of a class, that of masks; the black of class 0 is that of a background."""
    red, green, blue = palette()[number % 254 + 1].tolist()
    return red, green, blue


def drawn(
    picture: np.ndarray,
    corners: np.ndarray,
    classes: Sequence[int],
    names: Sequence[str],
    scores: np.ndarray | None,
    masks: Sequence[np.ndarray] = (),
    points: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Return a picture uint8 (H, W, 3) with boxes (M, 4) on it. names: of the classes; scores: (M,), None for truth.

    The last box lies on top, so the best one of detections is drawn last. masks: bool (H, W) each, none or M of them,
    of the picture's size; their colours lie half over it. points: keypoints (K, 3) each, none or M of them; those that
    are marked are dots.
    """
    picture = picture.copy() if len(masks) else picture
    for k, mask in zip(reversed(list(classes)), reversed(masks), strict=False):
        picture[mask] = (picture[mask].astype(np.uint16) + np.array(colour_of(int(k)), np.uint16)) // 2
    image = Image.fromarray(picture).convert("RGB")
    pen = ImageDraw.Draw(image)
    width = max(1, round(max(image.size) / 320))
    font = ImageFont.load_default(max(9.0, max(image.size) / 40))
    for i in reversed(range(len(corners))):
        box, colour = [round(v) for v in corners[i].tolist()], colour_of(int(classes[i]))
        box[2:] = max(box[2] - 1, box[0]), max(box[3] - 1, box[1])
        pen.rectangle(box, outline=colour, width=width)
        said = printable(names[int(classes[i])]) + ("" if scores is None else f" {scores[i]:.2f}")
        write(pen, (box[0], box[1]), said, colour, font, image.size)
    for i in reversed(range(len(points))):  # over all names: a name is wide, a dot is a place
        for x, y, marked in points[i].tolist():
            if marked:
                around = [x - 2 * width, y - 2 * width, x + 2 * width, y + 2 * width]
                pen.ellipse(around, fill=colour_of(int(classes[i])), outline=INK)
    return np.asarray(image)


def write(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Write a text on a plate of a colour, over the corner of a box or, where there is no room, below it."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = int(right - left) + 4, int(bottom - top) + 4
    x = min(max(corner[0], 0), max(size[0] - width, 0))
    y = corner[1] - height if corner[1] >= height else corner[1]
    pen.rectangle([x, y, x + width - 1, y + height - 1], fill=colour)
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen.text((x + 2 - left, y + 2 - top), text, fill=PAPER if light > 128 else INK, font=font)
