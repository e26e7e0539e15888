"""A model of the user's own: as much of a learner as a trace needs, under names that it shares with its twin."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ft.backend.calls import Calls
from ft.backend.description import Description, Parameter, kind_of, silence
from ft.data import Batch, Inputs
from ft.data.targets import classes_of
from ft.errors import RecipeError
from ft.parity.foreign.code import OPTIMIZER, blamed
from ft.parity.foreign.compare import MOMENTUM
from ft.parity.trace import STATISTICS
from ft_torch.optim import SGD
from ft_torch.tasks.classification import cross_entropy
from ft_torch.trace import recording
from ft_torch.weights import to_array

DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)


class Stranger:
    """A model that a function of the user's returns. Images are (N, H, W, C) here, whatever the model takes.

    `describe` comes first, then `share`; after that it is a Learner, and its own wing, as far as `write_trace` asks.
    """

    def __init__(self, make: Callable[[], Any], *, dtype: str, seed: int) -> None:
        torch.manual_seed(seed)
        model = make()
        if not isinstance(model, nn.Module):
            raise RecipeError(f"it returns a {type(model).__name__}; expected a torch.nn.Module")
        self.dtype = getattr(torch, dtype)
        self.model = model.to(self.dtype)
        self.modules = dict(self.model.named_modules())
        self.silenced = [words for path, module in self.modules.items() if (words := silence(path, module))]
        buffers = ((name, x) for name, x in self.model.named_buffers() if x.is_floating_point())
        place = {path: i for i, path in enumerate(self.modules)}
        tensors = sorted([*self.model.named_parameters(), *buffers], key=lambda item: place[item[0].rpartition(".")[0]])
        self.tensors: dict[str, Tensor] = dict(tensors)
        self.named: dict[str, Tensor] = {}

    def describe(self, images: np.ndarray) -> Description:
        """Return what the hub must know, of a pass over images in inference mode."""
        self.model.eval()
        with torch.no_grad(), recording(self.model) as calls:
            logits = self.forward(images)
        types = sorted((x.dtype for x in (logits, *self.tensors.values())), key=lambda t: t.itemsize)
        return Description(
            dtype=str(types[0]).removeprefix("torch."),
            outputs=tuple(logits.shape),
            parameters=tuple(self.parameter(name, tensor) for name, tensor in self.tensors.items()),
            calls=calls.calls,
            silenced=tuple(dict.fromkeys(self.silenced)),
        )

    def parameter(self, name: str, tensor: Tensor) -> Parameter:
        """Return the description of one parameter or buffer."""
        layer, _, leaf = name.rpartition(".")
        return Parameter(name, layer, leaf, kind_of(self.modules[layer]), tuple(tensor.shape), tensor.requires_grad)

    def share(
        self, names: Mapping[str, str], keys: Mapping[str, str], make_optimizer: Callable[[Any], Any] | None
    ) -> None:
        """Take the names of both models: own -> shared, of parameters and of calls; what has none is left out."""
        self.named, self.keys = {name: self.tensors[own] for own, name in names.items()}, keys
        if make_optimizer is None:
            self.optimizer: SGD | OwnOptimizer = SGD(self.trained, momentum=MOMENTUM, nesterov=False, weight_decay=0.0)
        else:
            self.optimizer = OwnOptimizer(make_optimizer, self.model, self.trained)

    @property
    def trained(self) -> dict[str, Tensor]:
        """What a step changes, by shared name."""
        return {name: tensor for name, tensor in self.named.items() if tensor.requires_grad}

    @property
    def lr(self) -> float | None:
        """The rate of the user's own optimizer, None for the stated one."""
        return self.optimizer.lr if isinstance(self.optimizer, OwnOptimizer) else None

    @property
    def optimizer_name(self) -> str:
        """The name of the user's own optimizer, "" for the stated one."""
        return type(self.optimizer.own).__name__ if isinstance(self.optimizer, OwnOptimizer) else ""

    def forward(self, images: np.ndarray) -> Tensor:
        """Run the model in the mode that it is in; RecipeError where it fails, or gives no logits."""
        x = torch.from_numpy(images).to(self.dtype).permute(0, 3, 1, 2).contiguous()
        with blamed(f"the model fails on images of shape {tuple(x.shape)}, see --input"), WithoutDropout(self.silenced):
            logits = self.model(x)
        if not isinstance(logits, Tensor):
            raise RecipeError(f"the model gives a {type(logits).__name__}; expected one tensor of logits (N, classes)")
        return logits

    @torch.no_grad()
    def outputs(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return logits in inference mode."""
        self.model.eval()
        return {"logits": self.forward(np.asarray(inputs)).numpy()}

    def gradients(
        self, batch: Batch, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, logits and gradients of a training step without its update; BatchNorm statistics do move."""
        self.model.train()
        logits, trained = self.forward(np.asarray(batch.inputs)), self.trained
        loss = cross_entropy(logits, torch.from_numpy(classes_of(batch.targets)))
        gradients = torch.autograd.grad(loss, list(trained.values()), materialize_grads=True) if trained else ()
        arrays = {name: to_array(g) for name, g in zip(trained, gradients, strict=True)}
        return loss.item(), {"logits": to_array(logits)}, arrays

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        update = self.optimizer.update({name: torch.from_numpy(g) for name, g in gradients.items()}, float(lr))
        return {name: to_array(x) for name, x in zip(self.optimizer.parameters, update, strict=True)}

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return every shared parameter and buffer."""
        return {name: to_array(tensor) for name, tensor in self.named.items()}

    @torch.no_grad()
    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every shared parameter and buffer."""
        for name, tensor in self.named.items():
            tensor.copy_(torch.from_numpy(tensors[name]))

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state."""
        return self.optimizer.get_slots()

    def parameters(self, model: Any) -> dict[str, Tensor]:
        """Return the shared parameters, BatchNorm's statistics left out."""
        return {name: tensor for name, tensor in self.named.items() if name.rpartition(".")[2] not in STATISTICS}

    @contextmanager
    def recording(self, model: Any) -> Iterator[Calls]:
        """Record every layer call of the model inside the block; PyTorch's names are the shared ones."""
        with recording(model) as calls:
            yield calls


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


class OwnOptimizer:
    """The optimizer that the user's `make_optimizer(model)` returns, driven by gradients from outside.

    What it subtracts is known only up to the rounding of the weights that it has changed.
    """

    def __init__(self, make: Callable[[Any], Any], model: nn.Module, parameters: Mapping[str, Tensor]) -> None:
        with blamed(f"{OPTIMIZER}(model) failed"):
            self.own = make(model)
        if not isinstance(self.own, torch.optim.Optimizer):
            raise RecipeError(f"{OPTIMIZER} returns a {type(self.own).__name__}; expected a torch.optim.Optimizer")
        self.parameters, self.lr = dict(parameters), float(self.own.param_groups[0]["lr"])

    def update(self, gradients: Mapping[str, Tensor], lr: float) -> list[Tensor]:
        """Do one step and return what was subtracted from each weight; the rate is the optimizer's own."""
        before = [w.detach().clone() for w in self.parameters.values()]
        for name, w in self.parameters.items():
            w.grad = gradients[name]
        with blamed(f"the optimizer of {OPTIMIZER} failed"):
            self.own.step()
        return [old - w.detach() for old, w in zip(before, self.parameters.values(), strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the state that has a weight's shape, as `NAME.momentum_buffer` and the like."""
        return {
            f"{name}.{key}": to_array(x)
            for name, w in self.parameters.items()
            for key, x in self.own.state.get(w, {}).items()
            if isinstance(x, Tensor) and x.shape == w.shape
        }
