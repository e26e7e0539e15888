"""The layouts in which the two frameworks keep the same weight: canonical (torchvision's) and Keras's.

| layout      | Keras             | canonical         |
|-------------|-------------------|-------------------|
| "conv"      | (H, W, I, O)      | (O, I, H, W)      |
| "depthwise" | (H, W, I, M)      | (I * M, 1, H, W)  |
| "linear"    | (in, out)         | (out, in)         |
| "same"      | any               | the same          |

Output channel i * M + m of a depthwise convolution with multiplier M belongs to input channel i in both.
"""

import numpy as np

from ft.errors import WeightsError, unknown

# For each layout the Keras axes in the order in which the canonical tensor has them.
AXES = {"conv": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1), "linear": (1, 0)}


def to_canonical(array: np.ndarray, layout: str) -> np.ndarray:
    """Return a Keras weight in the canonical layout, contiguous."""
    shape = canonical_shape(array.shape, layout)
    return array if layout == "same" else np.asarray(array.transpose(AXES[layout]).reshape(shape), order="C")


def from_canonical(array: np.ndarray, layout: str, *, multiplier: int = 1) -> np.ndarray:
    """Return a canonical weight in Keras's layout, contiguous. `multiplier`: M of "depthwise", hidden in its shape."""
    require_axes(array.shape, layout)
    if layout == "same":
        return array
    if layout == "depthwise":
        outputs, one, height, width = array.shape
        if one != 1 or outputs % multiplier:
            raise WeightsError(f"depthwise weight of shape {array.shape}; expected ({multiplier} * I, 1, H, W)")
        array = array.reshape(outputs // multiplier, multiplier, height, width)
    return np.asarray(array.transpose(np.argsort(AXES[layout])), order="C")


def canonical_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Return the shape that a Keras weight has in the canonical layout."""
    require_axes(shape, layout)
    if layout == "depthwise":
        height, width, inputs, multiplier = shape
        return inputs * multiplier, 1, height, width
    return tuple(shape[axis] for axis in AXES.get(layout, range(len(shape))))


def require_axes(shape: tuple[int, ...], layout: str) -> None:
    """Raise WeightsError where a weight cannot have the layout; a layout that does not exist is a ValueError."""
    if layout != "same" and layout not in AXES:
        raise ValueError(unknown("layout", layout, ["same", *AXES]))
    if layout != "same" and len(shape) != len(AXES[layout]):
        raise WeightsError(f"a weight of shape {shape} for layout '{layout}'; expected {len(AXES[layout])} axes")
