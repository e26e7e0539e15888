"""What holds for any dict of named tensors, whatever file it came from."""

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike

from ft.errors import WeightsError, listed

MAX_TENSORS = 10_000  # of a file; the largest network of the zoo has a sixth of that
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def is_floating(dtype: np.dtype) -> bool:
    """Say whether `dtype` is a floating type; NumPy itself takes bfloat16 for raw bytes."""
    return dtype.kind == "f" or dtype == BFLOAT16


def cast(tensors: Mapping[str, np.ndarray], dtype: DTypeLike) -> dict[str, np.ndarray]:
    """Return the floating tensors as `dtype` and the others, such as counters, as they are."""
    return {name: t.astype(dtype, copy=False) if is_floating(t.dtype) else t for name, t in tensors.items()}


def require_finite(tensors: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Raise WeightsError with the names of the tensors that hold NaN or infinity."""
    bad = [name for name, t in tensors.items() if is_floating(t.dtype) and not np.isfinite(t).all()]
    if bad:
        raise WeightsError(
            f"{path}: NaN or infinity in {listed(bad)}; expected finite weights, take a checkpoint from before "
            "the training broke down"
        )


def require_few(count: int) -> None:
    """Raise WeightsError where a file holds more tensors than any network: each costs time wherever it is looked at."""
    if count > MAX_TENSORS:
        raise WeightsError(f"holds {count} tensors; expected at most {MAX_TENSORS}, those of one network")


def require_plain_name(name: object) -> str:
    """Return a tensor's name. WeightsError where it is no printable text, for it will stand in messages and files."""
    if isinstance(name, str) and name.isprintable() and name:
        return name
    raise WeightsError(f"tensor name {ascii(name)[:80]}; expected printable text")
