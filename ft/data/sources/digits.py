"""scikit-learn's handwritten digits: 1797 real grey images of 8x8 pixels that need no download.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

import numpy as np

from ft.errors import DataError

TRAIN_COUNT = 1437  # the first 80 % train, the last 360 images validate
IMAGE_SIZE = 64


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images (1797, 8, 8), black 0 to white 255, and int64 labels (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError('digits: needs scikit-learn, which is not installed; pip install "ft-parity[demo]"') from None
    values, labels = load_digits(return_X_y=True)  # values (1797, 64) from 0 to 16
    return np.rint(values * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), labels.astype(np.int64)
