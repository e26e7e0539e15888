"""What two models must have in common before their numbers can be compared."""

from collections.abc import Iterable, Iterator, Mapping

from ft.backend.description import Description
from ft.backend.forms import squeezed, whole_of
from ft.errors import RecipeError
from ft.parity.foreign.code import LOSS, OPTIMIZER
from ft.parity.foreign.pairing import Pair, Pairing
from ft.parity.foreign.sides import framework_of


def require_alike(models: Mapping[str, Description], classes: int | None, dtype: str) -> None:
    """Raise RecipeError unless both models give what the loss takes, in the same type, and have or lack the same."""
    for label, model in models.items():
        name = option_of(label, models)
        if classes is not None and len(model.gives) > 1:
            raise RecipeError(f"{name}: the model gives {len(model.gives)} outputs; --classes is for one, leave it out")
        if classes is not None and model.outputs[1:] != (classes,):
            raise RecipeError(
                f"{name}: the model gives outputs of shape {model.outputs}; expected (N, {classes}), see --classes"
            )
        if model.dtype != dtype:
            raise RecipeError(
                f"{name}: the model computes in {model.dtype}, not in {dtype}; expected float64 or float32"
            )
    for function, has in ((OPTIMIZER, "own_optimizer"), (LOSS, "own_loss")):
        having = [option_of(label, models) for label, model in models.items() if getattr(model, has)]
        if len(having) == 1:
            raise RecipeError(f"only the module of {having[0]} has {function}; give one to both modules, or to neither")


def option_of(label: str, labels: Iterable[str]) -> str:
    """Return the flag that names a side's model, and which of two where both have one flag."""
    name = framework_of(label)
    return f"--{name}" if label == name else f"the {'first' if label == next(iter(labels)) else 'second'} --{name}"


def pair_outputs(models: Mapping[str, Description]) -> dict[str, str]:
    """Return Keras's name of every output -> PyTorch's: by name, else by place. RecipeError where they do not fit."""
    torch, tf = (model.gives for model in models.values())
    names = dict(zip(tf, tf if set(tf) == set(torch) else torch, strict=False))
    words = [", ".join(f"{name} {shape}" for name, shape in gives.items()) for gives in (torch, tf)]
    if len(torch) != len(tf) or not all(same_outputs(torch[b], tf[a]) for a, b in names.items()):
        one, other = models
        raise RecipeError(f"outputs: {one} gives {words[0]}, {other} gives {words[1]}; both models must give the same")
    return names


def same_outputs(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two outputs can be one: in the same shape, with channels last, or but for axes of size 1."""
    return other in (shape, (*shape[:1], *shape[2:], *shape[1:2])) or squeezed(shape) == squeezed(other)


def output_name(name: str, model: Description) -> str:
    """Return the name of an output in a trace, where no layer has it."""
    return name if len(model.gives) == 1 else f"output {name}"


def trained(models: Mapping[str, Description], pairing: Pairing) -> Iterator[tuple[Pair, bool, bool]]:
    """Yield every pair of parameters, and whether PyTorch's model and Keras's train it."""
    torch, tf = ({p.name for p in model.parameters if p.trained} for model in models.values())
    for pair in pairing.pairs:
        yield pair, whole_of(pair.torch)[0] in torch, whole_of(pair.keras)[0] in tf


def still(models: Mapping[str, Description], pairing: Pairing) -> list[str]:
    """Return the common names of the parameters that one model or both do not train."""
    return [pair.torch for pair, *both in trained(models, pairing) if not all(both)]
