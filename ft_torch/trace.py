"""Record what every layer of a PyTorch model gives while it runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torchvision.models.maxvit import RelativePositionalMultiHeadAttention, WindowDepartition, WindowPartition
from torchvision.models.swin_transformer import ShiftedWindowAttention, ShiftedWindowAttentionV2
from torchvision.ops.misc import Permute

from ft.backend.calls import Calls, Given, map_axes, plain_settings
from ft_torch.axes import Axes, tensors_in, usual
from ft_torch.weights import to_array

KINDS = {
    "Conv2d": "conv",
    "Conv2dSame": "conv",
    "SparseConv2d": "conv",
    "ActivatedConv2d": "conv",
    "BatchNorm2d": "batchnorm",
    "KerasBatchNorm2d": "batchnorm",
    "LayerNorm": "layernorm",
    "LayerNorm2d": "layernorm",
    "MaxPool2d": "maxpool",
    "MaxPool2dSame": "maxpool",
    "AvgPool2d": "avgpool",
    "AdaptiveAvgPool2d": "avgpool",
    "GlobalAvgPool2d": "avgpool",
    "ActivatedLinear": "linear",
    "Multiply": "mul",
    "StochasticDepth": "dropout",
}
# functions that stand in a network's code without a module of their own
FUNCTIONS: dict[Callable[..., Any], str] = {
    **dict.fromkeys((torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__), "add"),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__imul__, Tensor.__rmul__), "mul"),
    **dict.fromkeys((torch.mean, Tensor.mean), "mean"),
    **dict.fromkeys((torch.cat, torch.concat), "cat"),
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), "relu"),
    **dict.fromkeys((F.avg_pool2d, F.adaptive_avg_pool2d), "avgpool"),
    F.max_pool2d: "maxpool",
    F.interpolate: "interpolate",
}

# these reshape inside, and give what they take with its axes in place
ATTENTION = (ShiftedWindowAttention, RelativePositionalMultiHeadAttention)
CUTTING: dict[type[nn.Module], str] = {WindowPartition: "NGTC", WindowDepartition: "NCHW"}  # what these give


@dataclass
class Frame:
    """A module that is running: how many calls were recorded before it, and whether it has run one of its children.

    opaque: the functions between its children are its own business, as those inside of a single layer are; axes: those
    of every tensor of its input's rank inside of it, "" where they are none of the module's; norm: the module, where it
    has children and may be a norm, too, as timm's with an activation inside are.
    """

    path: str
    before: int
    given: Given
    opaque: bool = False
    axes: str = ""
    busy: bool = False
    norm: nn.Module | None = None


class Recorder(TorchFunctionMode):
    """Sees modules by hooks and functions by a torch function mode; copies at once, for layers work in place."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.calls, self.axes, self.stack = Calls(), Axes(), [Frame("", 0, Given())]
        self.paths = {module: path for path, module in model.named_modules()}
        self.sources: dict[int, str] = {}  # id of a tensor -> the call that gave it
        self.kept: list[Tensor] = []  # an id says which tensor only while that tensor lives

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        seen = len(self.stack) > 1 and not self.stack[-1].opaque  # a loss is outside of all modules
        name = FUNCTIONS.get(func) if seen else None
        tensors = list(tensors_in(args)) if name else []
        given = self.given(tensors)
        output = func(*args, **(kwargs or {}))
        self.axes.follow(func, args, kwargs or {}, output, inside=self.stack[-1].axes)
        # a tensor times a number is no node of the network
        if name and isinstance(output, Tensor) and (len(tensors) > 1 or name not in ("add", "mul", "cat")):
            path = self.stack[-1].path
            self.record(f"{path}.{name}" if path else name, output, name, given, {})
        elif func is F.batch_norm and (norm := self.stack[-1].norm) is not None:
            self.record(self.stack[-1].path, output, "batchnorm", self.given([args[0]]), plain_settings(norm))
        return output

    def enter(self, module: nn.Module, arguments: tuple) -> None:
        """Note that a module starts to run."""
        self.stack[-1].busy = True
        given = self.given(list(tensors_in(arguments)))
        opaque = isinstance(module, RelativePositionalMultiHeadAttention) or hasattr(module, "traced_whole")
        axes = given.axes[0] or map_axes(given.ranks[0], first=False) if isinstance(module, ATTENTION) else ""
        norm = module if next(module.children(), None) is not None and hasattr(module, "running_mean") else None
        self.stack.append(Frame(self.paths[module], len(self.calls.calls), given, opaque, axes, norm=norm))

    def leave(self, module: nn.Module, arguments: tuple, output: Any) -> None:
        """Record a module that has run none of its children, or that is one layer with all that it runs."""
        frame = self.stack.pop()
        if isinstance(output, tuple):  # nn.MultiheadAttention gives its weights as well
            output = output[0]
        if type(module) in CUTTING:
            self.axes.say(output, CUTTING[type(module)])
        elif isinstance(output, Tensor) and hasattr(module, "traced_axes"):
            self.axes.say(output, str(module.traced_axes))
        several = frame.busy and not isinstance(module, ShiftedWindowAttentionV2)  # of its children one makes a bias
        if several or not isinstance(output, Tensor) or isinstance(module, Permute):
            return  # Keras's layers have their channels last anyway
        if is_no_node(module):
            self.sources.setdefault(id(output), frame.given.sources[0] if frame.given.sources else "")
            self.kept.append(output)
            return
        self.calls.forget(frame.before)
        kind = KINDS.get(type(module).__name__, type(module).__name__.lower())
        self.record(frame.path or "model", output, kind, frame.given, plain_settings(module))

    def given(self, tensors: list[Tensor]) -> Given:
        """Return where tensors come from."""
        sources = [self.sources.get(id(tensor), "") for tensor in tensors]
        copies = [None if source else copied(x) for source, x in zip(sources, tensors, strict=True)]
        return Given(sources, copies, [self.axes.of(x) for x in tensors], [x.ndim for x in tensors])

    def record(self, path: str, output: Tensor, kind: str, given: Given, settings: dict[str, Any]) -> None:
        """Add one call, with those of its inputs that no call gave."""
        axes = self.axes.of(output) or usual(output.ndim)
        self.axes.say(output, axes)
        given.complete(axes, usually=usual)
        key = self.calls.add(path, copied(output), kind=kind, axes=axes, given=given, settings=settings)
        self.sources[id(output)] = key
        self.kept.append(output)


class Watching(Protocol):
    """What is told of every module that starts to run and that has run; paths: the modules, with their names."""

    paths: dict[nn.Module, str]

    def enter(self, module: nn.Module, arguments: Any) -> None: ...

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> None: ...


@contextmanager
def hooked(recorder: Watching) -> Iterator[None]:
    """Tell a recorder of every module that runs inside the block."""
    with ExitStack() as stack:
        for module in recorder.paths:
            stack.callback(module.register_forward_pre_hook(recorder.enter).remove)
            stack.callback(module.register_forward_hook(recorder.leave).remove)
        yield


@contextmanager
def recording(model: nn.Module) -> Iterator[Calls]:
    """Record every layer call of a model inside the block; images are (N, C, H, W) but where a network turns them."""
    recorder = Recorder(model)
    with hooked(recorder), recorder:
        yield recorder.calls


def is_no_node(module: nn.Module) -> bool:
    """Tell whether a module passes on what it gets: where surgery took one out, or a dropout that drops none.

    So does one that says so where it runs none of its children.
    """
    return (
        getattr(module, "traced_as", None) == "" or isinstance(module, nn.Identity) or getattr(module, "p", None) == 0
    )


def copied(tensor: Tensor) -> np.ndarray:
    """Return a contiguous copy as an array, whatever the memory format."""
    with torch._C.DisableTorchFunctionSubclass():
        return to_array(tensor)
