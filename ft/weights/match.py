"""Strict matching: every tensor of the model is loaded, filled by a named rule or missing, and missing is an error."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ft.errors import WeightsError, listed
from ft.weights.layouts import canonical_shape
from ft.weights.tensors import is_floating

# DataParallel's, torch.compile's, and that of a model held as an attribute of a training class
PREFIXES = ("module.", "_orig_mod.", "model.")
NEW_HEAD = "new head"
INTEGERS = ("num_batches_tracked", "relative_position_index", "count")
COUNTER_STARTS, COUNTER_LEFT = "counter starts at 0", "counter of a frozen BatchNorm, which has none"


@dataclass(frozen=True)
class Match:
    """Tensors that fit the model by name and shape, and how each came about."""

    tensors: dict[str, np.ndarray]
    loaded: tuple[str, ...]
    skipped: dict[str, str]  # name -> rule
    prefix: str = ""  # what was cut off from every name of the source


def match_weights(
    source: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    replaced: Collection[str] = (),
    origin: str = "",
) -> Match:
    """Return the tensors of `source` that the model wants; nothing is reshaped, transposed or cast.

    shapes: the model's names and shapes; replaced: names of the new head, skipped whatever the source holds; origin:
    the file, for the message. Whatever is missing, unexpected, misshapen or of the wrong kind of number is one
    WeightsError that counts it and lists the first ten names of each kind.
    """
    prefix, source = strip_prefix(source, shapes)
    wanted = {name: tuple(shape) for name, shape in shapes.items() if name not in replaced}
    left = {name for name in source if is_counter(name) and name not in shapes and is_frozen(name, shapes)}
    offered = {name: tensor for name, tensor in source.items() if name not in replaced and name not in left}
    counters = {name: np.zeros(wanted[name], np.int64) for name in wanted if is_counter(name) and name not in offered}
    tensors = {**offered, **counters}
    wrong = [f"{name} ({tensor.dtype})" for name, tensor in tensors.items() if not is_right_kind(name, tensor.dtype)]
    refuse({**find_misfits(tensors, wanted), "of the wrong type": wrong}, origin)
    rules = {name: NEW_HEAD for name in source if name in replaced} | dict.fromkeys(counters, COUNTER_STARTS)
    rules |= dict.fromkeys(left, COUNTER_LEFT)
    return Match({name: tensors[name] for name in wanted}, tuple(n for n in wanted if n in offered), rules, prefix)


def is_frozen(counter: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether the model has the BatchNorm of a counter, as one whose numbers never move: it counts nothing."""
    return counter.removesuffix("num_batches_tracked") + "running_var" in shapes


def strip_prefix(
    source: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, Mapping[str, np.ndarray]]:
    """Return the wrappers' prefix that all names of the source share and no name of the model has, and the rest.

    shapes: the model's names, with which any prefix is told; without them only those that are known.
    """
    cut = ""
    while prefix := shared_prefix(source):
        if any(name.startswith(prefix) for name in shapes) or not (shapes or prefix in PREFIXES):
            break
        cut, source = cut + prefix, {name.removeprefix(prefix): tensor for name, tensor in source.items()}
    return cut, source


def shared_prefix(names: Iterable[str]) -> str:
    """Return the first part of PyTorch's names, with its dot, where all of them have the same one; else nothing."""
    first = {name.partition(".")[0] if "." in name and "/" not in name else "" for name in names}
    return f"{first.pop()}." if len(first) == 1 and "" not in first else ""


def find_misfits(offered: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """Return what does not fit, by kind; both shapes stand beside a name whose shapes differ."""
    return {
        "missing": [name for name in wanted if name not in offered],
        "unexpected": [name for name in offered if name not in wanted],
        "of another shape": [
            f"{name} {compare_shapes(offered[name].shape, shape)}"
            for name, shape in wanted.items()
            if name in offered and offered[name].shape != shape
        ],
    }


def refuse(misfits: Mapping[str, list[str]], origin: str) -> None:
    """Raise WeightsError with the count and first names of each kind, unless there are none."""
    problems = [f"{len(names)} {kind}: {listed(names)}" for kind, names in misfits.items() if names]
    if problems:
        start = f"{origin}: " if origin else ""
        hint = "check that --model names the network that they were saved from"
        raise WeightsError(f"{start}weights do not fit the model: {'; '.join(problems)}; {hint}")


def compare_shapes(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Put two shapes side by side and name the layout that would explain the difference."""
    guess = ""
    if len(given) == 4 and wanted in (canonical_shape(given, "conv"), canonical_shape(given, "depthwise")):
        guess = ", looks like HWIO"
    elif len(given) == 2 and wanted == canonical_shape(given, "linear"):
        guess = ", looks like (in, out)"
    return f"(file {given}, model {wanted}{guess})"


def is_counter(name: str) -> bool:
    """Say whether a tensor counts BatchNorm's training steps: checkpoints before torch 0.4.1 lack it."""
    return name.rpartition(".")[2] == "num_batches_tracked"


def is_right_kind(name: str, dtype: np.dtype) -> bool:
    """Say whether a counter or an index holds integers, or any other tensor floating numbers."""
    return dtype.kind in "iu" if name.rpartition(".")[2] in INTEGERS else is_floating(dtype)
