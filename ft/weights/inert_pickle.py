"""The pickles inside torch's files, read as plain data: nothing in a file can name code that then runs.

Python's unpickler is not used at all. `pickletools` cuts a pickle into opcodes and a small stack machine carries out
the few that `torch.save` writes. Its calls are not calls: a global is a word in a table, and "calling" it makes a
dict, a `Tensor` or a `Storage`, which only describe where the numbers lie. Every other opcode and every other global
is refused by name.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from ft.errors import WeightsError
from ft.weights.tensors import BFLOAT16

MAX_OPCODES = 1_000_000  # a tensor takes about 50
HINT = "re-save it in PyTorch as torch.save(model.state_dict(), path), or as .safetensors"
DTYPES = {
    "torch DoubleStorage": np.dtype("f8"),
    "torch FloatStorage": np.dtype("f4"),
    "torch HalfStorage": np.dtype("f2"),
    "torch BFloat16Storage": BFLOAT16,
    "torch LongStorage": np.dtype("i8"),
    "torch IntStorage": np.dtype("i4"),
    "torch ShortStorage": np.dtype("i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
}
ARGUMENTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


@dataclass(frozen=True)
class Storage:
    """A run of `size` numbers in the file, found there by `key`."""

    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class Tensor:
    """A strided window into a storage; offset and strides count elements, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Global:
    """An allowed "module name" of a pickle: a word, not the thing it names."""

    word: str


def read_pickle(stream: BinaryIO) -> Any:
    """Return what the next pickle of a seekable stream describes and leave the stream behind it."""
    return read_with_storages(stream)[0]


def read_with_storages(stream: BinaryIO) -> tuple[Any, dict[str, Storage]]:
    """Return what the next pickle describes, and every storage that it names by key."""
    machine = Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPCODES:
                raise WeightsError(f"a pickle of more than {MAX_OPCODES} steps, which no network takes; {HINT}")
            machine.step(opcode.name, argument)
        (value,) = machine.stack
        return value, machine.storages
    except WeightsError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        raise WeightsError("damaged or cut off: its pickle is malformed or breaks off; save it again") from None


@dataclass
class Machine:
    """The stack, marks and memo of one pickle. What is malformed raises LookupError, TypeError or ValueError."""

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        if name in ARGUMENTS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "GLOBAL":
            self.stack.append(allowed(argument))
        elif name in ("PROTO", "STOP"):
            pass
        else:
            self.build(name)

    def build(self, name: str) -> None:
        """Carry out an opcode that takes its operands from the stack."""
        match name:
            case "TUPLE":
                self.stack.append(tuple(self.pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(self.pop(int(name[-1]))))
            case "APPEND":
                fill_list(self.pop(1), self.stack[-1])
            case "APPENDS":
                fill_list(self.pop_to_mark(), self.stack[-1])
            case "SETITEM":
                fill_dict(self.pop(2), self.stack[-1])
            case "SETITEMS":
                fill_dict(self.pop_to_mark(), self.stack[-1])
            case "REDUCE":
                self.stack.append(call(*self.pop(2)))
            case "BUILD":
                drop_attributes(self.pop(1), self.stack[-1])
            case "BINPERSID":
                self.stack.append(self.storage(*self.pop(1)[0]))
            case _:
                raise WeightsError(f"its pickle uses {name}, which no file of plain tensors does; {HINT}")

    def pop(self, count: int) -> list[Any]:
        """Take the top `count` values, none of them from below the last mark."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError("stack underflow")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        return self.pop(len(self.stack) - self.marks.pop())

    def storage(self, tag: Any, kind: Any, key: Any, _device: Any, size: Any, view: Any = None) -> Storage:
        """Return the storage that a persistent id names; `view`, a window into another storage, died with torch 0.3."""
        if tag != "storage" or not isinstance(key, str) or view is not None:
            raise WeightsError(f"its pickle refers to something else than a plain storage; {HINT}")
        if not (isinstance(kind, Global) and kind.word in DTYPES and is_count(size)):
            raise ValueError("malformed storage")
        storage = Storage(key, DTYPES[kind.word], size)
        if self.storages.setdefault(key, storage) != storage:
            raise WeightsError(f"storage {ascii(key)[:80]} is declared twice, as different things; {HINT}")
        return storage


def allowed(word: str) -> Global:
    """Return the stand-in of a global from the table, or raise WeightsError naming it."""
    if word in DTYPES or word in CALLS:
        return Global(word)
    shown = ascii(word.replace(" ", "."))[1:-1][:100]
    raise WeightsError(f"refused, it names {shown}, and a weights file may name nothing but plain tensors; {HINT}")


def fill_list(items: list, target: list) -> None:
    """Append to a list, and to nothing else that the pickle may have put there."""
    if type(target) is not list:
        raise TypeError("append to something that is no list")
    target.extend(items)


def fill_dict(items: list, target: dict) -> None:
    """Set keys and values, given in turn, of a dict. A key is text or a number, and stands once."""
    if type(target) is not dict or len(items) % 2:
        raise TypeError("items for something that is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, int)):
            raise TypeError("a key that is neither text nor a number")
        if key in target:
            raise WeightsError(f"{ascii(key)[:80]} stands twice; expected each name once; {HINT}")
        target[key] = value


def drop_attributes(_state: Any, target: Any) -> None:
    """Drop an object's attributes: a state dict carries `_metadata`, which holds version numbers only."""
    if type(target) is not dict:
        raise WeightsError(f"its pickle sets attributes of a {type(target).__name__}; {HINT}")


def call(function: Global, arguments: tuple) -> Any:
    """Return what an allowed call would have made, as plain data."""
    if not (isinstance(function, Global) and function.word in CALLS and type(arguments) is tuple):
        raise WeightsError(f"its pickle calls something else than tensor rebuilding; {HINT}")
    return CALLS[function.word](*arguments)


def ordered_dict(pairs: list | None = None) -> dict:
    """Return the dict of an OrderedDict; Python 2 wrote its [key, value] pairs as an argument."""
    target: dict = {}
    for pair in pairs or []:
        fill_dict(list(pair), target)
    if pairs:
        pairs.clear()  # the list was this dict's alone; a pickle that copies it over and over gets nothing
    return target


def rebuild_tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_gradient: Any) -> Tensor:
    """Return the description of a tensor after checking its types; its bounds are checked when it is read.

    What follows in the call (requires_grad, hooks) says nothing about values, but for the seventh argument, which marks
    a tensor whose stored numbers are negated or conjugated.
    """
    if not (isinstance(storage, Storage) and is_count(offset) and is_counts(shape) and is_counts(strides)):
        raise ValueError("malformed tensor")
    if any(_gradient[2:]):
        raise WeightsError(f"a tensor of its own kind (conjugated or negated view); {HINT}")
    return Tensor(storage, offset, shape, strides)


def rebuild_parameter(tensor: Tensor, *_gradient: Any) -> Tensor:
    """Return the tensor of a Parameter."""
    if not isinstance(tensor, Tensor):
        raise ValueError("malformed parameter")
    return tensor


def size(counts: tuple) -> tuple:
    """Return a torch.Size as the tuple that it is."""
    if not is_counts(counts):
        raise ValueError("malformed size")
    return counts


def is_count(value: Any) -> bool:
    """Say whether a value is a whole number that a file offset can hold."""
    return type(value) is int and 0 <= value < 1 << 62


def is_counts(values: Any) -> bool:
    """Say whether a value is a tuple of counts with no more axes than NumPy has."""
    return type(values) is tuple and len(values) <= 64 and all(map(is_count, values))


CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": ordered_dict,
    "torch._utils _rebuild_tensor": rebuild_tensor,  # as _v2 without gradient and hooks, written before torch 0.4
    "torch._utils _rebuild_tensor_v2": rebuild_tensor,
    "torch._utils _rebuild_parameter": rebuild_parameter,
    "torch Size": size,
}
