"""Hard negatives: the boxes of background that a network is most wrong about, so many for each one of an object.

Source: torchvision/models/detection/ssd.py, compute_loss.
"""

import numpy as np

from ft.network.boxes.suppression import best_first


def hard_negatives(losses: np.ndarray, classes: np.ndarray, ratio: float) -> np.ndarray:
    """Return the places of a picture's hard negatives, the largest loss first, of equal ones the lower place.

    losses, classes (A,), 0 for background; ratio: how many for each box of an object. Where there is too little
    background, boxes of objects follow in their order and so count twice, as they do in torchvision.
    """
    objects = classes > 0
    return best_first(np.where(objects, -np.inf, losses), int(ratio * objects.sum()))
