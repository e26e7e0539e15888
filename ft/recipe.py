"""The recipe: everything that decides what a fine-tuning computes, as one frozen dataclass.

A field is at once a key of a recipe file, a flag (`batch_size` is `--batch-size`) and a keyword of `ft.finetune`. Its
default is the built-in recipe. Nothing in a recipe names code: models, data sets and schedules are looked up by name.
"""

import contextlib
import dataclasses
import math
import operator
import types
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from ft.changes import group_changes, parse_change, require_consistent
from ft.errors import RecipeError, listed, unknown
from ft.head import parse_head

MAX_RECIPE_BYTES = 100_000


def option(
    default: Any,
    text: str,
    *,
    group: str,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a field with its help text, the heading it stands under, and its bounds."""
    bounds = {"at_least": at_least, "above": above, "below": below}
    return field(default=default, metadata={"help": text, "group": group, **bounds})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how. Frozen, checked on construction; `replace` returns a changed copy."""

    name: str | None = option(None, "name of the run folder (default: MODEL-DATA)", group="run")
    model: str = option("efficientnet_lite0", "network, see `ft models`", group="model")
    weights: str = option("imagenet", "imagenet, none, or a file (.safetensors, .pth)", group="model")
    head: str = option(
        "new",
        "new: a fresh last layer; keep: the one in the weights; or layers: linear, 512-relu-dropout0.3",
        group="model",
    )
    cut: str | None = option(None, "stage or block that goes, with all behind it up to the head", group="model")
    pool: Literal["avg", "max", "avg+max", "gem"] | None = option(
        None,
        "pooling before the head: avg, max, avg+max (both, side by side), gem (default: the network's)",
        group="model",
    )
    change: tuple[str, ...] = option(
        (), "convolutions that change: layer4.0.conv2:stride=1,dilation=2 (also kernel=)", group="model"
    )
    in_channels: int = option(3, "channels of the images: 1 (grey), 3, 4 (with alpha)", group="model", at_least=1)
    in_weights: Literal["average", "repeat"] = option(
        "average", "first convolution for other channels: mean of its three, or the three in turn", group="model"
    )
    dropout: float | None = option(
        None, "dropout before the last layer (default: the network's own)", group="model", at_least=0, below=1
    )
    stochastic_depth: float | None = option(
        None, "drop rate of the last block (default: the network's own)", group="model", at_least=0, below=1
    )

    data: str = option("digits", "digits, a folder of class folders, or a CSV path,label[,split]", group="data")
    val_fraction: float = option(
        0.2, "share of each class held out where the data has no val split", group="data", above=0, below=1
    )
    image_size: int | None = option(
        None, "pixels a side (default: the data set's or the network's own)", group="data", at_least=8
    )
    augment: Literal["none", "crop-flip"] = option(
        "none", "crop-flip: RandomResizedCrop and horizontal flip; none: resize and crop", group="data"
    )
    workers: int = option(2, "threads that read and resize images", group="data", at_least=0)

    freeze: tuple[str, ...] = option(("base",), "base (all but the head), none, or stages: stem,layer1", group="freeze")
    bn: Literal["frozen", "update"] = option(
        "frozen", "BatchNorm in frozen stages: keep its statistics, or update them", group="freeze"
    )

    epochs: int = option(20, "passes over the training images", group="training", at_least=1)
    batch_size: int = option(32, "images a step", group="training", at_least=1)
    lr: float = option(0.001, "learning rate", group="training", above=0)
    momentum: float = option(0.9, "momentum of SGD", group="training", at_least=0, below=1)
    nesterov: bool = option(False, "Nesterov's form of momentum", group="training")
    weight_decay: float = option(0.0, "L2 term added to every gradient", group="training", at_least=0)
    schedule: Literal["constant", "step", "cosine"] = option("constant", "learning rate over time", group="training")
    step_epochs: int = option(10, "schedule step: epochs between two drops", group="training", at_least=1)
    step_factor: float = option(0.1, "schedule step: factor of a drop", group="training", above=0)
    warmup_epochs: float = option(0.0, "epochs of linear warm-up from zero", group="training", at_least=0)
    label_smoothing: float = option(0.0, "label smoothing of the cross-entropy", group="training", at_least=0, below=1)
    patience: int | None = option(
        None, "stop after so many epochs without a better val accuracy", group="training", at_least=1
    )

    result: Literal["last", "best"] = option(
        "last", "weights that the run ends with: of the last epoch, or of the best val accuracy", group="run"
    )
    seed: int = option(0, "seed of everything random", group="run", at_least=0)
    precision: Literal["float32", "float64"] = option("float32", "type of weights and arithmetic", group="run")
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where to compute", group="run")
    deterministic: bool = option(True, "bit-identical weights for the same seed", group="run")
    cache_features: bool = option(True, "keep a frozen base's features while pixels do not change", group="run")

    def __post_init__(self) -> None:
        for name, kind in TYPES.items():
            object.__setattr__(self, name, checked(name, kind, getattr(self, name)))
        object.__setattr__(self, "change", group_changes(self.change))
        layers, changes = parse_head(self.head), [parse_change(text) for text in self.change]
        require_consistent(changes)
        if layers is not None and self.dropout is not None:
            raise RecipeError(f"dropout: contradicts head {self.head}; say it there, as in {self.head}-dropout0.5")
        if len(self.freeze) > 1 and {"base", "none"} & set(self.freeze):
            raise RecipeError(f"freeze: got {listed(self.freeze)}; 'base' and 'none' stand alone, stages go in a list")
        if self.nesterov and self.momentum == 0:
            raise RecipeError("nesterov: needs a momentum above 0; set momentum to 0.9 or leave nesterov out")
        if self.warmup_epochs >= self.epochs:
            raise RecipeError(
                f"warmup_epochs: got {self.warmup_epochs:g} of {self.epochs} epochs; "
                "the warm-up must end before the training does"
            )

    def replace(self, **changes: Any) -> "Recipe":
        """Return a checked copy with some fields changed."""
        return from_dict({**to_dict(self), **changes})

    @property
    def title(self) -> str:
        """The name of the run: given, or made from the model and the data."""
        return self.name or f"{self.model.replace('/', '_')}-{Path(self.data).resolve().stem}"


TYPES = get_type_hints(Recipe)
SYNONYMS = {
    "learning_rate": "lr",
    "architecture": "model",
    "arch": "model",
    "dataset": "data",
    "batchsize": "batch_size",
    "num_epochs": "epochs",
    "wd": "weight_decay",
    "img_size": "image_size",
    "dtype": "precision",
    "pretrained": "weights",
    "scheduler": "schedule",
}
FIELDS = {f.name: f for f in dataclasses.fields(Recipe)}


def checked(name: str, kind: Any, value: Any) -> Any:
    """Return `value` as the type of field `name`, within its bounds, or raise RecipeError."""
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise RecipeError(f"{name}: {unknown('value', str(value), get_args(kind))} (known: {listed(get_args(kind))})")
    if get_origin(kind) is tuple:
        return stage_list(name, value)
    number = parsed(name, kind, value)
    bounds = FIELDS[name].metadata
    for rule, fails in (("at_least", operator.lt), ("above", operator.le), ("below", operator.ge)):
        if bounds[rule] is not None and fails(number, bounds[rule]):
            raise RecipeError(f"{name}: got {value}; it must be {rule.replace('_', ' ')} {bounds[rule]:g}")
    return number


def parsed(name: str, kind: type, value: Any) -> Any:
    """Return `value` as str, bool, int or float. Text that spells a number is one: YAML 1.1 reads 1e-3 as text."""
    if kind is str and isinstance(value, str) and value.strip():
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float_of(value) if kind is float else int_of(value)
    wanted = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}[kind]
    raise RecipeError(f"{name}: got {value!r}; expected {wanted}")


def float_of(value: int | float | str) -> float:
    """Return a finite number as a float; ValueError or OverflowError for any other."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def int_of(value: int | float | str) -> int:
    """Return a whole number as an int, exactly: a float on the way would round seeds above 2 ** 53."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)  # what int cannot read, such as 1e3, may still be a whole number
    number = float_of(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number if isinstance(value, str) else value)


def stage_list(name: str, value: Any) -> tuple[str, ...]:
    """Return "stem,layer1" or a list of names as a tuple of names."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) and p.strip() for p in parts):
        raise RecipeError(f"{name}: got {value!r}; expected names separated by commas, or a list of names")
    return tuple(p.strip() for p in parts)


def unknown_key(key: Any) -> str:
    """Return the message for a key that no field has; other libraries' words for our fields lead to ours."""
    near = get_close_matches(str(key), SYNONYMS, n=1, cutoff=0.75)
    if near and str(key) not in FIELDS:
        return f"unknown key '{key}'; did you mean '{SYNONYMS[near[0]]}'?"
    return unknown("key", str(key), FIELDS)


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return the fields as plain values for YAML and JSON."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(recipe).items()}


def from_dict(values: dict[str, Any]) -> Recipe:
    """Build a recipe from plain values. Unknown keys raise RecipeError with the nearest known one."""
    for key in values:
        if key not in FIELDS:
            raise RecipeError(unknown_key(key))
    return Recipe(**values)


def load(path: str | Path) -> dict[str, Any]:
    """Read the keys that a recipe file sets. YAML without tags, aliases or duplicate keys, at most 100 kB."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECIPE_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"recipe {path}: {error.strerror or error}; pass the path of a YAML file") from None
    if len(text) > MAX_RECIPE_BYTES:
        raise RecipeError(f"recipe {path}: more than {MAX_RECIPE_BYTES} bytes; expected a few lines like 'lr: 0.001'")
    try:
        values = yaml.load(text, StrictLoader)  # a SafeLoader that refuses more, see below
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates and int()
        raise RecipeError(f"recipe {path}: {' '.join(str(error).split())}; expected lines like 'lr: 0.001'") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise RecipeError(f"recipe {path}: expected lines like 'lr: 0.001', found {found}")
    for key in values:
        if key not in FIELDS:
            raise RecipeError(f"recipe {path}: {unknown_key(key)}")
    return values


def save(recipe: Recipe, path: str | Path) -> None:
    """Write every field, defaults included, so that a run's recipe stays what it was when defaults change."""
    from ft import files  # not at the top: it imports NumPy, and `--help` needs none

    files.write_text(path, yaml.safe_dump(to_dict(recipe), sort_keys=False))


class StrictLoader(yaml.SafeLoader):
    """SafeLoader that also refuses aliases (expansion bombs) and duplicate keys (silently lost settings)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate or non-text key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
