"""`ft lr-find`."""

import json
from collections.abc import Sequence

from ft.cli.parser import Parser, add_backend, add_recipe_flags, config_fields
from ft.errors import printable
from ft.recipe import FIELDS


def lr_find(arguments: Sequence[str]) -> int:
    """Sweep the learning rate, write curve and numbers, and print a suggestion."""
    parser = Parser(
        prog="ft lr-find",
        description="Train a little under a rising learning rate and suggest one: where the smoothed loss falls most "
        "steeply. Takes the recipe's flags; leaves nothing but lr-find.png and lr-find.json.",
    )
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    parser.add_argument("--out", metavar="DIR", default="lr-find", help="folder for curve and numbers [lr-find]")
    parser.add_argument("--lr-min", type=float, default=1e-6, metavar="RATE", help="first rate [1e-6]")
    parser.add_argument("--lr-max", type=float, default=1.0, metavar="RATE", help="last rate [1]")
    parser.add_argument("--lr-steps", type=int, default=100, metavar="N", help="updates [100]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser)
    add_recipe_flags(parser)
    flags = parser.parse(arguments)
    fields = {name: getattr(flags, name) for name in FIELDS if getattr(flags, name) is not None}
    fields = {**config_fields(flags.config), **fields}
    from ft.api.lr_find import find_lr

    sweep = {"lr_min": flags.lr_min, "lr_max": flags.lr_max, "lr_steps": flags.lr_steps}
    swept = find_lr(backend=flags.backend, out=flags.out, **sweep, **fields)
    if flags.json:
        print(json.dumps({"suggestion": swept.suggestion, "diverged": swept.diverged, "steps": len(swept.rates)}))
    elif swept.suggestion is None:
        print(f"no suggestion: the loss never falls up to lr {swept.rates[-1]:.3g}\n{printable(flags.out)}")
    else:
        end = f"; it diverges at {swept.rates[-1]:.3g}" if swept.diverged else ""
        print(f"lr {swept.suggestion:.3g} (the loss falls most steeply there{end})\n{printable(flags.out)}")
    return 0
