"""The PyTorch wing: torchvision's networks, the written optimizer, one native step. Nothing is imported until used."""

from typing import TYPE_CHECKING

from ft.system.lazy import lazy_names

if TYPE_CHECKING:
    from ft_torch.average import Average
    from ft_torch.export import export_model, open_exported, run_exported
    from ft_torch.freeze import apply_freeze, set_training_mode
    from ft_torch.frozen import split
    from ft_torch.layers import seed_noise
    from ft_torch.learner import Learner
    from ft_torch.models import build_model
    from ft_torch.models.text import build_text, split_text
    from ft_torch.optim import LARS, SGD, Adagrad, Adam, AdamW, RMSprop, clip_gradients, make_optimizer
    from ft_torch.penalty import Penalty
    from ft_torch.ranks import connect
    from ft_torch.runtime import count_gpus, is_out_of_memory, prepare
    from ft_torch.shapes import stage_shapes
    from ft_torch.stranger import Stranger
    from ft_torch.surgery import alter
    from ft_torch.tasks.classification import binary_cross_entropy, cross_entropy, focal_loss
    from ft_torch.trace import recording
    from ft_torch.weights import (
        building_empty,
        get_weights,
        own_names,
        parameters,
        set_weights,
        weight_shapes,
        write_weights,
    )

__all__ = [
    "LARS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "Learner",
    "Penalty",
    "RMSprop",
    "Stranger",
    "alter",
    "apply_freeze",
    "binary_cross_entropy",
    "build_model",
    "build_text",
    "building_empty",
    "clip_gradients",
    "connect",
    "count_gpus",
    "cross_entropy",
    "export_model",
    "focal_loss",
    "get_weights",
    "is_out_of_memory",
    "make_optimizer",
    "open_exported",
    "own_names",
    "parameters",
    "prepare",
    "recording",
    "run_exported",
    "seed_noise",
    "set_training_mode",
    "set_weights",
    "split",
    "split_text",
    "stage_shapes",
    "weight_shapes",
    "write_weights",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LARS": "optim",
        "SGD": "optim",
        "Average": "average",
        "Penalty": "penalty",
        "Adagrad": "optim",
        "Adam": "optim",
        "AdamW": "optim",
        "RMSprop": "optim",
        "clip_gradients": "optim",
        "make_optimizer": "optim",
        "Learner": "learner",
        "Stranger": "stranger",
        "alter": "surgery",
        "apply_freeze": "freeze",
        "build_model": "models",
        "build_text": "models.text",
        "building_empty": "weights",
        "binary_cross_entropy": "tasks.classification",
        "cross_entropy": "tasks.classification",
        "export_model": "export",
        "focal_loss": "tasks.classification",
        "get_weights": "weights",
        "is_out_of_memory": "runtime",
        "own_names": "weights",
        "parameters": "weights",
        "connect": "ranks",
        "count_gpus": "runtime",
        "prepare": "runtime",
        "recording": "trace",
        "open_exported": "export",
        "run_exported": "export",
        "seed_noise": "layers",
        "set_training_mode": "freeze",
        "set_weights": "weights",
        "split": "frozen",
        "split_text": "models.text",
        "stage_shapes": "shapes",
        "weight_shapes": "weights",
        "write_weights": "weights",
    },
)
