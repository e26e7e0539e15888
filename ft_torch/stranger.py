"""A model of the user's own: as much of a learner as a trace needs, under names that it shares with its twin."""

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ft.backend.calls import Calls
from ft.backend.description import Description, Parameter, silence
from ft.backend.forms import Form
from ft.backend.operations import Graph
from ft.backend.shares import Shares
from ft.data.targets import classes_of
from ft.errors import RecipeError
from ft.parity.foreign.assignment import MOMENTUM
from ft.parity.foreign.calls import rename_calls
from ft.parity.foreign.code import blamed
from ft.parity.foreign.inputs import flattened, handed
from ft.parity.foreign.products import as_linear, may_be_products
from ft.parity.trace import STATISTICS
from ft_torch.canonical import described, fold_biases
from ft_torch.operations import record
from ft_torch.optim import SGD
from ft_torch.own_optimizer import OwnOptimizer
from ft_torch.tasks.classification import cross_entropy
from ft_torch.trace import recording
from ft_torch.weights import to_array

DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)

EXACT = {  # functions whose derivatives have a number in float32, whatever is computed in: which, and them by hand
    F.hardsigmoid: ("1/6", lambda x, inplace=False: (x + 3).clamp(0, 6) / 6),
    F.celu: ("1/alpha", lambda x, alpha=1.0, inplace=False: torch.where(x > 0, x, alpha * torch.expm1(x / alpha))),
}


class Stranger:
    """A model that a function of the user's returns. Maps have their channels last here, whatever the model takes.

    `describe` comes first, then `share`; after that it is a Learner, and its own wing, as far as `write_trace` asks.
    """

    def __init__(
        self, make: Callable[[], Any], *, dtype: str, seed: int, maps: Container[str] = (), lead: bool = False
    ) -> None:
        torch.manual_seed(seed)
        model = made(make())
        self.dtype, self.maps = getattr(torch, dtype), maps
        self.model = model.to(self.dtype)
        self.modules = dict(self.model.named_modules())
        self.silenced = [words for path, module in self.modules.items() if (words := silence(path, module))]
        self.folded = {name for path, module in self.modules.items() for name in fold_biases(path, module)}
        buffers = ((name, x) for name, x in self.model.named_buffers() if x.is_floating_point())
        place = {path: i for i, path in enumerate(self.modules)}
        tensors = sorted([*self.model.named_parameters(), *buffers], key=lambda item: place[item[0].rpartition(".")[0]])
        self.tensors: dict[str, Tensor] = {name: x for name, x in tensors if name not in self.folded}
        self.parts: dict[str, tuple[Parameter, Form]]
        self.parts = {name: (described(name, x, self.modules), ()) for name, x in self.tensors.items()}
        self.shares, self.keys = Shares(), {}
        self.cotangents: dict[str, np.ndarray] = {}
        self.loss: Callable[..., Any] | None = None
        self.rounded, self.exact = {function.__name__: words for function, (words, _) in EXACT.items()}, False

    def describe(self, inputs: Mapping[str, np.ndarray]) -> Description:
        """Return what the hub must know, of a pass over inputs in inference mode."""
        self.model.eval()
        with torch.no_grad(), recording(self.model) as calls:
            outputs = self.forward(inputs)
        self.gives = {name: tuple(x.shape) for name, x in outputs.items()}
        types = sorted((x.dtype for x in (*outputs.values(), *self.tensors.values())), key=lambda t: t.itemsize)
        parameters = {name: parameter for name, (parameter, _) in self.parts.items()}
        if may_be_products(parameters.values()):
            self.parts |= as_linear(parameters, self.operations(inputs, {}))
        return Description(
            dtype=str(types[0]).removeprefix("torch."),
            outputs=tuple(next(iter(outputs.values())).shape),
            parameters=tuple(parameter for parameter, _ in self.parts.values()),
            calls=calls.calls,
            silenced=tuple(dict.fromkeys(self.silenced)),
            remarks=("the second bias of recurrent layers is added to the first",) if self.folded else (),
            gives=self.gives,
        )

    def share(
        self,
        names: Mapping[str, str],
        keys: Mapping[str, str],
        make_optimizer: Callable[[Any], Any] | None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """Take the names of both models: own -> shared, of parameters and of calls; what has none is left out."""
        forms = {name: (name, form) for name, (_, form) in self.parts.items()}
        self.shares, self.keys = Shares.of(names, forms, shapes), keys
        if make_optimizer is None:
            self.optimizer: SGD | OwnOptimizer = SGD(self.trained, momentum=MOMENTUM, nesterov=False, weight_decay=0.0)
        else:
            self.optimizer = OwnOptimizer(make_optimizer, self.model, self.trained)

    @torch.no_grad()
    def settle(self, values: Mapping[str, float]) -> None:
        """Give parameters that only this side has one value each, which changes nothing."""
        for name, value in values.items():
            self.tensors[name].fill_(value)

    @property
    def trained(self) -> dict[str, Tensor]:
        """What a step changes, by its own name."""
        tensors = {name: self.tensors[name] for name in self.shares.weights}
        return {name: tensor for name, tensor in tensors.items() if tensor.requires_grad}

    @property
    def lr(self) -> float | None:
        """The rate of the user's own optimizer, None for the stated one."""
        return self.optimizer.lr if isinstance(self.optimizer, OwnOptimizer) else None

    @property
    def optimizer_name(self) -> str:
        """The name of the user's own optimizer, "" for the stated one."""
        return type(self.optimizer.own).__name__ if isinstance(self.optimizer, OwnOptimizer) else ""

    def forward(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Run the model in the mode that it is in; RecipeError where it fails, or gives no numbers."""
        tensors = {name: self.tensor(name, array) for name, array in inputs.items()}
        shapes = ", ".join(f"{name} of shape {tuple(x.shape)}" for name, x in tensors.items())
        with blamed(f"the model fails on {shapes}, see --input"), WithoutDropout(self.silenced), Exact(self.exact):
            given = handed(self.model, self.model.forward, tensors)
        outputs = {name: x for name, x in flattened(given, is_tensor).items() if x.is_floating_point()}
        if not outputs or any(x.is_sparse for x in outputs.values()):
            raise RecipeError(f"the model gives a {type(given).__name__}; expected tensors of floating-point numbers")
        return outputs

    def tensor(self, name: str, array: Any) -> Tensor:
        """Return an input as the model takes it."""
        if isinstance(array, Tensor):
            return array
        x = torch.from_numpy(np.ascontiguousarray(array))
        x = x.to(self.dtype) if x.is_floating_point() else x
        return x.movedim(-1, 1).contiguous() if name in self.maps else x

    @torch.no_grad()
    def outputs(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return outputs in inference mode."""
        self.model.eval()
        return {name: to_array(x) for name, x in self.forward(inputs).items()}

    @torch.no_grad()
    def operations(self, inputs: Mapping[str, np.ndarray], forced: Mapping[int, np.ndarray]) -> Graph:
        """Return every operation of a pass in inference mode. forced: other outputs of some, by number."""
        self.model.eval()
        leaves = {f"parameter {name}": tensor for name, tensor in self.tensors.items()}
        tensors = {name: self.tensor(name, array) for name, array in inputs.items()}
        leaves |= {f"input {name}": tensor for name, tensor in tensors.items()}
        return record(self.model, lambda: self.forward(tensors), leaves, forced)[0]

    @torch.enable_grad()
    def gradients(
        self, batch: Any, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and gradients of a training step without its update; BatchNorm statistics do move."""
        self.model.train()
        outputs, trained = self.forward(batch.inputs), self.trained
        loss = self.loss_of(outputs, batch)
        alive = list(trained.values()) if loss.requires_grad else []
        with blamed("the model has no gradients"):
            computed = (
                torch.autograd.grad(loss, alive, materialize_grads=True)
                if alive
                else map(torch.zeros_like, trained.values())
            )
        self.latest = dict(zip(trained, computed, strict=True))
        arrays = {name: to_array(g) for name, g in self.latest.items()}
        gradients = self.shares.total(arrays)
        self.latest |= {name: torch.from_numpy(g.copy()) for name, g in self.shares.joined(arrays).items()}
        return loss.item(), {name: to_array(x) for name, x in outputs.items()}, gradients

    def loss_of(self, outputs: dict[str, Tensor], batch: Any) -> Tensor:
        """Return the user's own loss, the product of the outputs with fixed numbers, or the labels' cross-entropy."""
        if self.loss is not None:
            inputs = {name: self.tensor(name, array) for name, array in batch.inputs.items()}
            with blamed("the function of make_loss failed"):
                loss = self.loss(outputs if len(outputs) > 1 else next(iter(outputs.values())), inputs)
            if not is_tensor(loss) or loss.numel() != 1:
                raise RecipeError(f"the function of make_loss returns a {type(loss).__name__}; expected one number")
            return loss
        if self.cotangents:
            return sum((outputs[name] * torch.from_numpy(c)).sum() for name, c in self.cotangents.items())  # type: ignore
        return cross_entropy(outputs["logits"], torch.from_numpy(classes_of(batch.targets)))

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with the gradients that `gradients` returned last; return what was subtracted."""
        update = self.optimizer.update(self.latest, float(lr))
        return self.shares.common({n: to_array(x) for n, x in zip(self.optimizer.parameters, update, strict=True)})

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return every shared parameter and buffer."""
        return self.shares.common({name: to_array(self.tensors[name]) for name in self.shares.weights})

    @torch.no_grad()
    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every shared parameter and buffer."""
        before = {name: to_array(self.tensors[name]) for name in self.shares.weights}
        for name, array in self.shares.own(tensors, before).items():
            self.tensors[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state."""
        return self.shares.common_slots(self.optimizer.get_slots())

    def parameters(self, model: Any) -> dict[str, Tensor]:
        """Return the shared parameters by their common names, BatchNorm's statistics left out."""
        parts = {name: self.tensors[weight] for name, (weight, _) in self.shares.parts.items()}
        return {name: tensor for name, tensor in parts.items() if name.rpartition(".")[2] not in STATISTICS}

    @contextmanager
    def recording(self, model: Any) -> Iterator[Calls]:
        """Record every layer call of the model inside the block, under the shared names."""
        with recording(model) as calls:
            yield calls
        rename_calls(calls, self.keys)


def made(model: Any) -> nn.Module:
    """Return a module as its functions and layers can be seen; RecipeError for what is none."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise RecipeError(f"it returns a {type(model).__name__}; expected a torch.nn.Module, not compiled")
    for name, x in [*model.named_parameters(), *model.named_buffers()]:
        if x.layout != torch.strided or x.is_meta:
            what = "has no numbers" if x.is_meta else "is sparse"
            raise RecipeError(f"{name} {what}; expected a model on the CPU of dense tensors")
    return model


def is_tensor(value: Any) -> bool:
    """Tell a tensor from what holds tensors."""
    return isinstance(value, Tensor)


class WithoutDropout(TorchFunctionMode):
    """Lets dropout that a model calls as a function pass its input on, and adds to `silenced` what it was."""

    def __init__(self, silenced: list[str]) -> None:
        super().__init__()
        self.silenced = silenced

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(zip(("input", "p"), args, strict=False)) | (kwargs or {})
        if func not in DROPOUTS or not given.get("p", 0.5):
            return func(*args, **(kwargs or {}))
        self.silenced.append(f"F.{func.__name__} (p {given.get('p', 0.5):g})")
        return given["input"]


class Exact(TorchFunctionMode):
    """Takes the functions in `EXACT` by hand."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.functions = {function: by_hand for function, (_, by_hand) in EXACT.items()} if on else {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.functions.get(func, func)(*args, **(kwargs or {}))
