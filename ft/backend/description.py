"""A model of the user's own as the hub knows it: lists of its parameters and calls, without a framework."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ft.backend.calls import Call

OTHER = "other"  # the kind of a layer that is none of the frameworks'
KINDS = {
    **dict.fromkeys(("_ConvNd", "BaseConv", "BaseDepthwiseConv", "BaseConvTranspose", "Conv2d"), "conv"),
    **dict.fromkeys(("BaseSeparableConv", "ConvLSTMCell"), "conv"),
    **dict.fromkeys(("Linear", "Dense"), "linear"),
    **dict.fromkeys(("_BatchNorm", "BatchNormalization", "BatchNorm2d"), "norm"),
    **dict.fromkeys(("LayerNorm", "LayerNormalization", "GroupNorm", "GroupNormalization"), "norm"),
    "Embedding": "embedding",
}
NOISE = ("dropout", "stochasticdepth", "droppath", "noise")  # what the names of random layers hold
HOLDING = ("multiheadattention", "rnnbase", "lstmcell", "grucell", "simplernncell")  # layers that hold a dropout
STRENGTHS = ("p", "rate", "drop_prob", "drop_rate", "stddev")  # the attributes that say how random


@dataclass(frozen=True)
class Parameter:
    """One weight of a model: its name there, the layer that holds it, and its name in that layer after PyTorch's.

    shape: in PyTorch's layout; trained: whether a step changes it; own: whether a layer of the user's own holds it,
    that is found to be of a kind.
    """

    name: str
    layer: str
    leaf: str
    kind: str
    shape: tuple[int, ...]
    trained: bool
    own: bool = False

    @property
    def optional(self) -> bool:
        """Whether it may stay without a partner: a constant of the user's own, such as the mean of the pixels."""
        return self.kind == OTHER and not self.trained


@dataclass(frozen=True)
class Description:
    """Parameters and inference calls in order, the shape of the outputs, and the type that a model computes in.

    automatic: layers whose names the framework made up; silenced: what is random in training and was set to 0, in
    words; remarks: what else the user should know; own_optimizer, own_loss: whether the model's module has one for it;
    gives: the shape of every output by name; settings: what the other framework's models do not have, in words.
    """

    dtype: str
    outputs: tuple[int, ...]
    parameters: tuple[Parameter, ...]
    calls: dict[str, Call]
    automatic: frozenset[str] = frozenset()
    silenced: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    own_optimizer: bool = False
    own_loss: bool = False
    settings: tuple[str, ...] = ()
    gives: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values of JSON."""
        return {**asdict(self), "automatic": sorted(self.automatic)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Description":
        """Build it from what `to_dict` gave."""
        parameters = tuple(Parameter(**{**p, "shape": tuple(p["shape"])}) for p in values["parameters"])
        calls = {key: Call.from_dict(call) for key, call in values["calls"].items()}
        lists = {key: tuple(values[key]) for key in ("outputs", "silenced", "remarks", "settings")}
        gives = {name: tuple(shape) for name, shape in values.get("gives", {}).items()}
        built = {"gives": gives, "parameters": parameters, "calls": calls, "automatic": frozenset(values["automatic"])}
        return cls(**{**values, **lists, **built})


def kind_of(layer: object) -> str:
    """Return the kind of a layer of either framework, or of a subclass of one: conv, linear, norm, embedding, other."""
    return next((KINDS[c.__name__] for c in type(layer).__mro__ if c.__name__ in KINDS), OTHER)


def silence(path: str, layer: object) -> str:
    """Set what is random in a layer's training to 0 and return what it was, in words; "" where nothing was."""
    kinds = [c.__name__.lower() for c in type(layer).__mro__]
    names = [name for name in STRENGTHS if any(word in kind for word in NOISE for kind in kinds)]
    if any(kind in kinds for kind in HOLDING):
        names += ["dropout", "recurrent_dropout"]
    names = [name for name in names if not is_fixed(layer, name)]
    strengths = {
        name: value for name in names if isinstance(value := getattr(layer, name, None), (int, float)) and value
    }
    for name, value in strengths.items():
        setattr(layer, name, type(value)(0))
    return ", ".join(f"{path} ({name} {value:g})" for name, value in strengths.items())


def is_fixed(layer: object, name: str) -> bool:
    """Tell an attribute that only shows another one, as Keras's attention has it: a layer inside of it is silenced."""
    attribute = getattr(type(layer), name, None)
    return isinstance(attribute, property) and attribute.fset is None
