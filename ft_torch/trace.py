"""Record what every layer of a PyTorch model gives while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torchvision.models.maxvit import RelativePositionalMultiHeadAttention
from torchvision.models.swin_transformer import ShiftedWindowAttentionV2
from torchvision.ops.misc import Permute

from ft.calls import Calls, plain_settings
from ft_torch.weights import to_array

KINDS = {
    "Conv2d": "conv",
    "Conv2dSame": "conv",
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
}


Given = tuple[list[str], list[np.ndarray | None]]  # of each input: the call that gave it, else "" and a copy


@dataclass
class Frame:
    """A module that is running: how many calls were recorded before it, and whether it has run one of its children.

    opaque: the functions between its children are its own business, as those inside of a single layer are.
    """

    path: str
    before: int
    given: Given
    opaque: bool = False
    busy: bool = False


class Recorder(TorchFunctionMode):
    """Sees modules by hooks and functions by a torch function mode; copies at once, for layers work in place."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.calls, self.stack = Calls(), [Frame("", 0, ([], []))]
        self.paths = {module: path for path, module in model.named_modules()}
        self.sources: dict[int, str] = {}  # id of a tensor -> the call that gave it
        self.kept: list[Tensor] = []  # an id says which tensor only while that tensor lives

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        seen = len(self.stack) > 1 and not self.stack[-1].opaque  # a loss is outside of all modules
        name = FUNCTIONS.get(func) if seen else None
        tensors = list(tensors_in(args)) if name else []
        given = self.given(tensors)
        output = func(*args, **(kwargs or {}))
        # a tensor times a number is no node of the network
        if name and isinstance(output, Tensor) and (len(tensors) > 1 or name not in ("add", "mul", "cat")):
            path = self.stack[-1].path
            self.record(f"{path}.{name}" if path else name, output, name, given, {})
        return output

    def enter(self, module: nn.Module, arguments: tuple) -> None:
        """Note that a module starts to run."""
        self.stack[-1].busy = True
        given = self.given(list(tensors_in(arguments)))
        opaque = isinstance(module, RelativePositionalMultiHeadAttention)
        self.stack.append(Frame(self.paths[module], len(self.calls.calls), given, opaque))

    def leave(self, module: nn.Module, arguments: tuple, output: Any) -> None:
        """Record a module that has run none of its children, or that is one layer with all that it runs."""
        frame = self.stack.pop()
        if isinstance(output, tuple):  # nn.MultiheadAttention gives its weights as well
            output = output[0]
        several = frame.busy and not isinstance(module, ShiftedWindowAttentionV2)  # of its children one makes a bias
        if several or not isinstance(output, Tensor) or isinstance(module, Permute):
            return  # Keras's layers have their channels last anyway
        if is_no_node(module):
            self.sources.setdefault(id(output), frame.given[0][0] if frame.given[0] else "")
            self.kept.append(output)
            return
        self.calls.forget(frame.before)
        kind = KINDS.get(type(module).__name__, type(module).__name__.lower())
        self.record(frame.path or "model", output, kind, frame.given, plain_settings(module))

    def given(self, tensors: list[Tensor]) -> Given:
        """Return where tensors come from."""
        sources = [self.sources.get(id(tensor), "") for tensor in tensors]
        return sources, [None if source else copied(x) for source, x in zip(sources, tensors, strict=True)]

    def record(self, path: str, output: Tensor, kind: str, given: Given, settings: dict[str, Any]) -> None:
        """Add one call, with those of its inputs that no call gave."""
        key = self.calls.add(path, copied(output), kind=kind, inputs=given[0], settings=settings)
        for i, array in enumerate(given[1]):
            if array is not None:
                self.calls.arrays[f"{key}<{i}"] = array
        self.sources[id(output)] = key
        self.kept.append(output)


@contextmanager
def recording(model: nn.Module) -> Iterator[Calls]:
    """Record every layer call of a model inside the block; images are (N, C, H, W) but where a network turns them."""
    recorder = Recorder(model)
    handles = []
    for module in recorder.paths:
        handles.append(module.register_forward_pre_hook(recorder.enter))
        handles.append(module.register_forward_hook(recorder.leave))
    try:
        with recorder:
            yield recorder.calls
    finally:
        for handle in handles:
            handle.remove()


def is_no_node(module: nn.Module) -> bool:
    """Tell whether a module passes on what it gets: where surgery took one out, or a dropout that drops none."""
    return isinstance(module, nn.Identity) or getattr(module, "p", None) == 0


def tensors_in(arguments: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors among positional arguments, those in a list included."""
    for argument in arguments:
        if isinstance(argument, Tensor) and argument.is_floating_point():
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from tensors_in(argument)


def copied(tensor: Tensor) -> np.ndarray:
    """Return a contiguous copy as an array, whatever the memory format."""
    with torch._C.DisableTorchFunctionSubclass():
        return to_array(tensor)
