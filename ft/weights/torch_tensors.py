"""From what a torch file describes to arrays: find the state dict, check each window into a storage, copy it out."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ft.errors import WeightsError, listed
from ft.weights.inert_pickle import HINT, Storage, Tensor
from ft.weights.tensors import require_few, require_plain_name

NESTS = ("state_dict", "model", "model_state")
FREE_BYTES = 1 << 26  # what tensors may take in any case: a small file may expand views this far
MAX_GROWTH = 8  # and a large one to so many times its size, for shared and expanded storages


def copy_tensors(tree: Any, load: Callable[[Storage], bytes], order: str, file_size: int) -> dict[str, np.ndarray]:
    """Return the arrays of the state dict in `tree`: contiguous, writable, in the machine's byte order.

    load: gives a storage's bytes; order: their byte order, "little" or "big"; file_size: bounds the memory taken.
    """
    state = find_state_dict(tree)
    for name, tensor in state.items():
        require_window(name, tensor)
    require_memory(state.values(), file_size)
    arrays: dict[str, np.ndarray] = {}
    numbers, held = np.empty(0), None
    for name, tensor in sorted(state.items(), key=lambda item: item[1].storage.key):  # one storage at a time in memory
        if tensor.storage != held:
            numbers, held = to_numbers(load(tensor.storage), tensor.storage, order), tensor.storage
        arrays[name] = copy_window(numbers, tensor)
    return {name: arrays[name] for name in state}


def find_state_dict(tree: Any) -> dict[str, Tensor]:
    """Return the dict of tensors: the file's only object, or one value of a checkpoint's known keys."""
    if type(tree) is not dict:
        raise WeightsError(f"holds a {type(tree).__name__}; expected a state dict, name -> tensor; {HINT}")
    nests = [key for key in NESTS if is_state_dict(tree.get(key))]
    if len(nests) > 1:
        raise WeightsError(f"holds weights under {listed(nests)}; expected one of them, save the one that you mean")
    state = tree[nests[0]] if nests else tree
    require_few(len(state))
    others = [ascii(name)[:80] for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise WeightsError(f"beside tensors it holds {listed(others)}; expected tensors only; {HINT}")
    if not state:
        raise WeightsError(f"holds no tensors; expected a state dict, name -> tensor; {HINT}")
    return {require_plain_name(name): tensor for name, tensor in state.items()}


def is_state_dict(value: Any) -> bool:
    """Say whether a value is a dict of tensors, at least one."""
    return type(value) is dict and bool(value) and all(isinstance(v, Tensor) for v in value.values())


def require_window(name: str, tensor: Tensor) -> None:
    """Raise WeightsError where a tensor reaches outside its storage."""
    if len(tensor.shape) != len(tensor.strides):
        raise WeightsError(f"tensor {name} has {len(tensor.shape)} axes and {len(tensor.strides)} strides; damaged")
    reach = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and tensor.offset + reach >= tensor.storage.size:
        raise WeightsError(
            f"tensor {name} reaches element {tensor.offset + reach} of a storage of {tensor.storage.size}; "
            "the file is damaged or forged, fetch it again"
        )


def require_memory(tensors: Iterable[Tensor], file_size: int) -> None:
    """Raise WeightsError where the tensors together would take far more memory than the file has bytes."""
    wanted = sum(math.prod(max(n, 1) for n in t.shape) * t.storage.dtype.itemsize for t in tensors)
    if wanted > max(FREE_BYTES, MAX_GROWTH * file_size):
        raise WeightsError(
            f"its tensors claim {wanted:.3g} bytes, the file has {file_size}; expected at most {MAX_GROWTH} "
            f"times as much (expanded views?), call .clone() on the tensors; {HINT}"
        )


def to_numbers(content: bytes, storage: Storage, order: str) -> np.ndarray:
    """Return a storage's bytes as a flat array. Bytes are turned as integers, for bfloat16 has no other byte order."""
    width = storage.dtype.itemsize
    if len(content) != storage.size * width:
        raise WeightsError(
            f"storage {ascii(storage.key)[:80]} has {len(content)} bytes; expected {storage.size * width}, "
            "fetch or save the file again"
        )
    turned = np.frombuffer(content, f"{'>' if order == 'big' else '<'}u{width}").astype(f"=u{width}", copy=False)
    return turned.view(storage.dtype)


def copy_window(numbers: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Return the elements that a checked tensor sees, as an array of its own."""
    width = numbers.itemsize
    if 0 in tensor.shape:
        return np.empty(tensor.shape, numbers.dtype)
    strides = [s * width if n > 1 else 0 for n, s in zip(tensor.shape, tensor.strides, strict=True)]
    return np.ndarray(tensor.shape, numbers.dtype, numbers, tensor.offset * width, strides).copy(order="C")
