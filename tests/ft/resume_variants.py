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
}
WING_VARIANTS = {  # for both wings, beside the ones above: what only a real network has
    "head only": {},
    "dropout": {"model": "efficientnet_lite0", "freeze": "none", "dropout": 0.3, "stochastic_depth": 0.3},
    "whole network": {"freeze": "none", "augment": "crop-flip", "schedule": "cosine"},
    "upper stages, nesterov": {"freeze": "stem,layer1,layer2", "nesterov": True, "weight_decay": 0.01},
    "moving statistics": {"bn": "update", "label_smoothing": 0.1},
}
