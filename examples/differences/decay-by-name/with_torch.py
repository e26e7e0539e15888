"""Decay that a list of names keeps away from BERT's norms (GPT-2's are ln_1), in PyTorch; and by kind of layer."""

import json

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
NAMES = ("bias", "LayerNorm.weight")


def decayed(is_left_out):
    """Return a norm's weights after one step without a gradient."""
    block = nn.ModuleDict({"ln_1": nn.LayerNorm(3), "c_fc": nn.Linear(3, 3)})
    groups = {True: [], False: []}
    for path, module in block.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            weight.grad = torch.zeros_like(weight)
            groups[is_left_out(f"{path}.{name}", module)].append(weight)
    parts = [{"params": groups[True], "weight_decay": 0.0}, {"params": groups[False], "weight_decay": 0.125}]
    torch.optim.AdamW(parts, lr=0.5).step()
    return block["ln_1"].weight.tolist()


by_name = decayed(lambda name, module: any(part in name for part in NAMES))
by_kind = decayed(lambda name, module: isinstance(module, nn.LayerNorm) or name.endswith("bias"))
print(json.dumps({"default": by_name, "mended": by_kind}))
