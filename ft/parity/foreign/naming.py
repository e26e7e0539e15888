"""Names of parameters: of their whole, in their layer, in a recorded pass; and what each is a part of."""

from collections.abc import Mapping

from ft.backend.description import OTHER, Parameter
from ft.backend.forms import whole_of
from ft.parity.foreign.pairing import Pair


def leaf_name(name: str) -> str:
    """Return the name of a parameter in a recorded pass."""
    return whole_of(name)[0].partition("#")[0]


def unit_of(name: str, parameters: Mapping[str, Parameter]) -> tuple[object, ...]:
    """Return what a parameter is a part of: its layer, or its piece of that; itself in a layer of the user's own."""
    whole, piece = whole_of(name)
    parameter = parameters[whole]
    return (whole if parameter.kind == OTHER else parameter.layer, piece)


def leaf_in_torch(pair: Pair) -> str:
    """Return the name of a parameter in its layer."""
    return whole_of(pair.torch)[0].rpartition(".")[2]
