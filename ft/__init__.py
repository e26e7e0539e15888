"""Fine-tune pretrained networks natively in PyTorch and in Keras, with proof that both do the same.

The facade: nothing here imports a framework before a network is built.
"""

from ft.errors import DataError, RecipeError, RunError, UserError, WeightsError
from ft.system.lazy import lazy_names

# editors read __init__.pyi, which ft/api/stub.py writes
HOMES = {
    "Box": "api.run",
    "Card": "zoo",
    "Guess": "api.run",
    "Recipe": "recipe",
    "Run": "api.run",
    "Sweep": "api.lr_find",
    "cards": "zoo",
    "compare_runs": "api.side_by_side",
    "evaluate_network": "api.evaluate",
    "export_run": "api.export",
    "find_card": "zoo",
    "find_lr": "api.lr_find",
    "finetune": "api.finetune",
    "show_network": "api.show",
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
