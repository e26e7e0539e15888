"""What a wing is, and how to get one by name."""

import sys
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from ft.backend.calls import Calls
from ft.backend.description import Description
from ft.backend.objective import Objective
from ft.backend.operations import Graph
from ft.backend.ranks import ALONE, Ranks, Seat
from ft.data import Batch, Features, Given, Inputs, Preprocess
from ft.data.text.process import TextProcess
from ft.errors import RecipeError, unknown
from ft.network.freeze import Freeze
from ft.network.surgery import Surgery
from ft.recipe import Recipe
from ft.system.quiet import quiet_stderr
from ft.zoo import Card, TextCard

FRAMEWORKS = {"torch": ("torch", "torchvision"), "tf": ("tensorflow", "keras")}
Taken = Mapping[str, tuple[tuple[int | None, ...], str]]  # what a file takes: shape and type of every input by name
Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
Model = object  # a network of the framework's, a torch.nn.Module or a keras.Model: the hub hands it on, as it is


class Learner(Protocol):
    """A model, an optimizer and one native step. Images are (N, H, W, 3); tensors go by canonical names.

    Inputs that are Features run through the head alone. Outputs are arrays by name, a classifier's are "logits" (N, K).
    """

    model: Any
    plan: Freeze
    objective: Objective

    def set_plan(self, plan: Freeze) -> None:
        """Train by another plan from here on; what trained before keeps its slots."""
        ...

    def run_ahead(self, *, compiled: bool, say: Callable[[str], None]) -> None:
        """Run the leading frozen stages apart, folded or also compiled, until the next plan or weights."""
        ...

    def compile_trained(self, *, say: Callable[[str], None]) -> None:
        """Compile what trains until the next plan or weights; TensorFlow's graph of it is there anyway."""
        ...

    def run_as_one(self) -> None:
        """Run the network as one again, with the weights that it has by then."""
        ...

    def step(self, batch: Batch, *, step: int, lr: np.float64, first: int = 0) -> Any:
        """Do one training step; return probes on the device for `fetch`."""
        ...

    def gradients(
        self, batch: Batch, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and gradients of a training step without its update."""
        ...

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        ...

    def outputs(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return the network's outputs in inference mode."""
        ...

    def features(self, inputs: Given) -> Features:
        """Return what the base makes of images in inference mode: steps and outputs take it in their place."""
        ...

    def fetch(self, probes: Sequence[Any]) -> np.ndarray:
        """Return float64 (steps, 5): loss, |gradient|, |weights|, |update|, how many right."""
        ...

    def get_weights(self, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
        """Return a copy of every parameter and buffer but those to leave out."""
        ...

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every parameter and buffer; what is measured from the start (L2-SP, averages) starts here."""
        ...

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state, and what else the next step depends on."""
        ...

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the optimizer's state, and what else `get_slots` returned."""
        ...

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the network has its averaged weights, where it keeps an average."""
        ...


class MakeLearner(Protocol):
    """The constructor of a wing's Learner."""

    def __call__(
        self,
        model: Model,
        *,
        card: Card,
        plan: Freeze,
        recipe: Recipe,
        objective: Objective,
        device: str = "cpu",
        ranks: Ranks = ALONE,
    ) -> Learner: ...


class Stranger(Protocol):
    """A model of the user's own: `describe` it, let it `share` names, then it is a Learner as far as a trace needs.

    gives: the shapes of its outputs; cotangents: what these are multiplied with to give the loss; loss: the user's own
    function for it; rounded: functions whose derivatives the framework takes with a number in float32, and that number
    in words; exact: whether to take these exactly.
    """

    lr: float | None
    optimizer_name: str
    gives: dict[str, tuple[int, ...]]
    cotangents: dict[str, np.ndarray]
    loss: Callable[..., Any] | None
    rounded: Mapping[str, str]
    exact: bool

    def describe(self, inputs: Mapping[str, np.ndarray]) -> Description:
        """Return what the hub must know, of a pass over inputs in inference mode."""
        ...

    def share(
        self,
        names: Mapping[str, str],
        keys: Mapping[str, str],
        make_optimizer: Callable[[Any], Any] | None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """Take the names of both models: own -> shared, of parameters and of calls; shapes: of shared parameters."""
        ...

    def operations(self, inputs: Mapping[str, np.ndarray], forced: Mapping[int, np.ndarray]) -> Graph:
        """Return every operation of a pass in inference mode. forced: other outputs of some, by number."""
        ...

    def settle(self, values: Mapping[str, float]) -> None:
        """Give parameters that only this side has one value each, which changes nothing."""
        ...

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return every shared parameter and buffer."""
        ...

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every shared parameter and buffer."""
        ...


class MakeStranger(Protocol):
    """The constructor of a wing's Stranger. maps: the inputs that have channels; lead: whether to name as in common."""

    def __call__(
        self, make: Callable[[], Any], *, dtype: str, seed: int, maps: Container[str] = (), lead: bool = False
    ) -> Stranger: ...


class Wing(Protocol):
    """The public names of `ft_torch` and of `ft_tf` that the hub calls."""

    Learner: MakeLearner
    Stranger: MakeStranger

    def connect(self, seat: Seat, *, device: str, timeout: float) -> Ranks: ...

    def prepare(self, *, device: str, deterministic: bool) -> str: ...

    def count_gpus(self) -> int: ...

    def build_model(
        self, name: str, *, num_classes: int = 1000, dtype: str = "float32", options: Mapping[str, Any] | None = None
    ) -> Model: ...

    def build_text(self, card: TextCard, *, num_classes: int = 2, dtype: str = "float32") -> Model: ...

    def building_empty(self) -> AbstractContextManager[object]: ...

    def parameters(self, model: Model) -> Mapping[str, object]: ...

    def recording(self, model: Model) -> AbstractContextManager[Calls]: ...

    def alter(self, model: Model, surgery: Surgery, *, image_size: int) -> Model: ...

    def stage_shapes(
        self, model: Model, card: Card, *, image_size: int, channels: int
    ) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]: ...

    def weight_shapes(self, model: Model) -> dict[str, tuple[int, ...]]: ...

    def set_weights(self, model: Model, tensors: Mapping[str, np.ndarray]) -> None: ...

    def own_names(self, model: Model, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def write_weights(self, model: Model, tensors: Mapping[str, np.ndarray], path: Path) -> None: ...

    def export_model(
        self,
        model: Model,
        path: Path,
        *,
        format: str,
        preprocess: Preprocess | TextProcess,
        raw: bool,
        metadata: Mapping[str, Any],
    ) -> dict[str, Any]: ...

    def run_exported(
        self, path: Path, given: np.ndarray | Mapping[str, np.ndarray], *, format: str
    ) -> np.ndarray | dict[str, np.ndarray]: ...

    def open_exported(self, path: Path) -> tuple[Taken, Run]: ...

    def is_out_of_memory(self, error: BaseException) -> bool: ...


def load(name: str) -> Wing:
    """Import the wing called "torch" or "tf" and its framework; RecipeError where it is unknown or not installed."""
    require(name)
    if name == "torch" and is_loaded("tf") and "triton" not in sys.modules:
        # triton crashes the process when it is imported after tensorflow; PyTorch on a CPU works without it
        sys.modules["triton"] = cast(Any, None)
    with quiet_stderr():
        import_module(f"ft_{name}.learner")
    return cast(Wing, import_module(f"ft_{name}"))


def is_loaded(name: str) -> bool:
    """Tell whether the wing's framework is imported already."""
    return FRAMEWORKS[name][0] in sys.modules


def loaded() -> list[Wing]:
    """Return the wings that are imported already."""
    return [cast(Wing, sys.modules[f"ft_{name}"]) for name in FRAMEWORKS if f"ft_{name}" in sys.modules]


def require(name: str) -> None:
    """Raise RecipeError unless the wing's framework is installed, without importing it."""
    if name not in FRAMEWORKS:
        raise RecipeError(unknown("backend", name, FRAMEWORKS))
    missing = [package for package in FRAMEWORKS[name] if find_spec(package) is None]
    if missing:
        raise RecipeError(f'backend {name}: {" and ".join(missing)} not installed; pip install "ft-parity[{name}]"')
