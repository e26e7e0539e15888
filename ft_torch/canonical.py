"""What the parameters of a model of the user's own are in terms that its twin shares: names, layers and shapes."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ft.backend.description import OTHER, Parameter, kind_of


@torch.no_grad()
def fold_biases(path: str, module: nn.Module) -> Iterator[str]:
    """Add the second bias of a recurrent layer to the first wherever only their sum counts; yield what is 0 then."""
    if not isinstance(module, (nn.LSTM, nn.RNN, nn.LSTMCell, nn.RNNCell)):
        return
    for name, second in module.named_parameters():
        if name.startswith("bias_hh"):
            getattr(module, name.replace("_hh", "_ih")).add_(second)
            second.zero_()
            yield f"{path}.{name}" if path else name


def described(name: str, tensor: Tensor, modules: Mapping[str, nn.Module]) -> Parameter:
    """Return the description of one parameter or buffer of a model.

    What a parametrization keeps in place of a weight is that weight; of several parts, or a vector beside, none is.
    """
    name_there = re.sub(r"parametrizations\.(\w+)\.original$", r"\1", name)
    layer, _, leaf = name_there.rpartition(".")
    kind = kind_of(modules[layer])
    if match := re.fullmatch(r"(.*)_orig", leaf):
        leaf = match[1]
    elif re.fullmatch(r"\w+_[uvg]", leaf):
        kind = OTHER
    if match := re.fullmatch(r"(weight_[ih]h|bias_[ih]h)(?:_(l\d+(?:_reverse)?))?", leaf):
        kind, leaf, layer = "recurrent", match[1], f"{layer}.{match[2]}" if match[2] else layer
    elif match := re.fullmatch(r"in_proj_(weight|bias)", leaf):
        kind, leaf, layer = "linear", match[1], f"{layer}.in_proj"
    return Parameter(name, layer, leaf, kind, tuple(tensor.shape), tensor.requires_grad)
