"""The recipes that must resume exactly: an option that adds to a run's state, or to its randomness, adds a line."""

HUB_VARIANTS = {
    "plain": {},
    "whole network": {"freeze": "none"},
    "augmented": {"augment": "crop-flip"},
    "nesterov and decay": {"nesterov": True, "weight_decay": 0.01},
    "no momentum": {"momentum": 0},
    "cosine with warm-up": {"schedule": "cosine", "warmup_epochs": 1.5},
    "steps": {"schedule": "step", "step_epochs": 1},
    "best": {"result": "best", "lr": 0.5},
    "patience": {"patience": 1, "lr": 0.5},
    "smoothing": {"label_smoothing": 0.1},
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "lr": 0.5},
    "one cycle": {"schedule": "one-cycle"},
    "balanced": {"sampling": "balanced"},
    "distorted": {"randaugment": "2x9", "jitter": 0.4, "hue": 0.1, "erase": 0.5},
    "average of the best": {"result": "average", "average_best": 2, "lr": 0.5},
    "accumulated": {"batch_size": 2, "accumulate": 2},
    "thawing": {"unfreeze": "2:layer4,3:layer3"},
}
WHOLE = {"freeze": "none"}
UPPER = {"model": "efficientnet_lite0", "weights": "imagenet", "freeze": "stem,stage1,stage2,stage3,stage4"}
# drawn weights give gradients of 0 but for rounding, which these rules would divide by themselves
ADAPTIVE = {**WHOLE, "eps": 1e-3}
WING_VARIANTS = {  # for both wings, beside the ones above: what only a real network has
    "head only": {},
    "dropout": {**UPPER, "dropout": 0.3, "stochastic_depth": 0.3},
    "whole network": {"freeze": "none", "augment": "crop-flip", "schedule": "cosine"},
    "upper stages, nesterov": {"freeze": "stem,layer1,layer2", "nesterov": True, "weight_decay": 0.01},
    "moving statistics": {"bn": "update", "label_smoothing": 0.1},
    "thawing": {"unfreeze": "2:layer4@0.1"},
    "mixed": {**WHOLE, "mixup": 0.4, "cutmix": 1.0},
    "distorted": {"randaugment": "2x9", "jitter": 0.4, "hue": 0.1, "erase": 0.5},
    "averaged": {**WHOLE, "ema": 0.9, "result": "ema"},
    "accumulated": {**WHOLE, "batch_size": 4, "accumulate": 2, "clip_norm": 1.0},
    "starting point": {**UPPER, "l2": 0.01, "l2sp": 0.1},
    "adam": {**ADAPTIVE, "optimizer": "adam"},
    "adamw": {**ADAPTIVE, "optimizer": "adamw", "weight_decay": 0.01},
    "rmsprop": {**ADAPTIVE, "optimizer": "rmsprop", "centered": True, "momentum": 0.5},
    "adagrad": {**WHOLE, "optimizer": "adagrad", "lr_decay": 0.1},
    "lars": {**WHOLE, "optimizer": "lars"},
}
