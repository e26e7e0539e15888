"""Fine-tune pretrained networks natively in PyTorch and in Keras, with proof that both do the same.

The facade: nothing here imports a framework before a network is built.
"""

from ft.errors import DataError, RecipeError, RunError, UserError, WeightsError
from ft.lazy import lazy_names

# editors read __init__.pyi, which ft/stub.py writes
HOMES = {
    "Card": "zoo",
    "Guess": "run",
    "Recipe": "recipe",
    "Run": "run",
    "Sweep": "lr_find",
    "cards": "zoo",
    "compare_runs": "side_by_side",
    "evaluate_network": "evaluate",
    "export_run": "export",
    "find_card": "zoo",
    "find_lr": "lr_find",
    "finetune": "tuning",
    "show_network": "show",
}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "DataError",
    "RecipeError",
    "RunError",
    "UserError",
    "WeightsError",
    *HOMES,
]

__getattr__, __dir__ = lazy_names(__name__, HOMES)
