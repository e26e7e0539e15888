"""Fine-tune pretrained networks natively in PyTorch and in Keras, with proof that both do the same.

The facade: nothing here imports a framework before a network is built.
"""

from typing import TYPE_CHECKING

from ft.errors import DataError, RecipeError, RunError, UserError, WeightsError
from ft.lazy import lazy_names

if TYPE_CHECKING:
    from ft.evaluate import evaluate_network
    from ft.export import export_run
    from ft.lr_find import Sweep, find_lr
    from ft.recipe import Recipe
    from ft.run import Guess, Run
    from ft.show import show_network
    from ft.side_by_side import compare_runs
    from ft.tuning import finetune
    from ft.zoo import Card, cards, find_card

__all__ = [
    "Card",
    "DataError",
    "Guess",
    "Recipe",
    "RecipeError",
    "Run",
    "RunError",
    "Sweep",
    "UserError",
    "WeightsError",
    "cards",
    "compare_runs",
    "evaluate_network",
    "export_run",
    "find_card",
    "find_lr",
    "finetune",
    "show_network",
]

__getattr__ = lazy_names(
    __name__,
    {
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
    },
)
