"""How large the pictures of a batch are that lie in the upper left corner of what a network is given, padded.

Anchors are those of what is given. Boxes are cut off at each picture's own edges, and the maps that they are cut out of
are told by the largest sides of all. Source: torchvision/models/detection/{image_list,rpn,roi_heads}.py.
"""

import numpy as np

from ft.network.boxes.anchors import Shape

Sizes = np.ndarray | None  # heights and widths (N, 2); None: each picture is as large as what is given


def size_of(place: int, image: Shape, sizes: Sizes) -> Shape:
    """Return height and width of a picture of the batch. image: of what is given."""
    return image if sizes is None else pair(sizes[place])


def largest(image: Shape, sizes: Sizes) -> Shape:
    """Return the largest height and the largest width of the pictures."""
    return image if sizes is None else pair(sizes.max(0))


def pair(size: np.ndarray) -> Shape:
    """Return height and width as numbers."""
    height, width = size.tolist()
    return height, width
