"""`ft models`, and `ft models show`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ft.api.show import Table, changes_of, show_network, usual_classes
from ft.cli.parser import Parser, add_backend, add_recipe_flags
from ft.errors import RecipeError, printable
from ft.recipe import Recipe, deciding
from ft.zoo import find_card

if TYPE_CHECKING:
    from ft.zoo import Card, TextCard


def models(arguments: Sequence[str]) -> int:
    """List the networks, or show one."""
    if arguments and arguments[0] == "show":
        return show_command(arguments[1:])
    text = "The networks, their size and their published weights. `ft models show NAME` shows one by stage."
    parser = Parser(prog="ft models", description=text)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="only networks with this in their name, family or task")
    parser.add_argument("--family", metavar="NAME", help="only this family, such as resnet")
    parser.add_argument("--max-params", type=float, metavar="MILLIONS", help="only networks of at most this size")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse(arguments)
    rows = [model_row(card) for card in chosen_cards(flags.family, flags.max_params, flags.text)]
    if flags.json:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(model_lines(rows)))
    return 0


def model_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of networks as text, with a heading and a mark for weights that need no download."""
    width = max(len(row["name"]) for row in rows)
    tasks = max(len(row["task"]) for row in rows)
    lines = [f"{'network':<{width}}  parameters  {'takes':>11}  top-1  here  {'task':<{tasks}}  stages"]
    for row in rows:
        top1 = "-" if row["top1"] is None else f"{row['top1']:.1f}"
        takes = f"{row['image_size']} px" if row["inputs"] == "images" else f"{row['max_length']} tokens"
        size = f"{row['parameters'] / 1e6:8.1f} M  {takes:>11}  {top1:>5}"
        here = "*" if row["here"] else ""
        lines.append(f"{row['name']:<{width}}  {size}  {here:^4}  {row['task']:<{tasks}}  {', '.join(row['stages'])}")
    return [*lines, f"{len(rows)} networks; * in the column here: its weights are on this machine"]


def chosen_cards(family: str | None, millions: float | None, text: str | None = None) -> list["Card"]:
    """Return the cards of a family, or of all, up to a size, with a text in name or task; RecipeError for none."""
    from ft.errors import unknown
    from ft.zoo import cards, text_cards

    every = [*cards(None), *text_cards()]
    families = {card.family for card in every}
    if family is not None and family not in families:
        raise RecipeError(unknown("family", family, families))
    limit = float("inf") if millions is None else millions * 1e6
    fits = [card for card in every if family in (None, card.family) and card.parameters <= limit]
    named = [card for card in fits if text is None or text.lower() in f"{card.name} {card.family} {card.task}".lower()]
    if fits and not named:
        raise RecipeError(unknown("model", str(text), [card.name for card in fits]))
    if not fits:
        raise RecipeError(f"max-params: no network has at most {millions} million parameters")
    return named


def model_row(card: "Card") -> dict[str, Any]:
    """Return what `ft models` says of a network."""
    from ft.weights.pretrained import is_here
    from ft.zoo import TextCard

    if isinstance(card, TextCard):
        return text_row(card)
    return {
        "name": card.name,
        "family": card.family,
        "task": card.task,
        "inputs": card.inputs,
        "parameters": card.parameters,
        "image_size": card.preprocess.crop,
        "top1": card.pretrained[0].top1 if card.pretrained else None,
        "mean_iou": card.pretrained[-1].mean_iou if card.pretrained else None,
        "weights": [entry.name for entry in card.pretrained],
        "licences": sorted({entry.licence for entry in card.pretrained}),
        "stages": list(card.stages),
        "here": bool(card.pretrained) and is_here(card.pretrained[0]),
    }


def text_row(card: "TextCard") -> dict[str, Any]:
    """Return the same of one that takes text."""
    from ft.weights.text_files import text_is_here

    return {
        "name": card.name,
        "family": card.config.architecture,
        "task": card.task,
        "inputs": card.inputs,
        "parameters": card.parameters,
        "max_length": card.config.max_length,
        "top1": None,
        "weights": [card.files.filename] if card.files else [],
        "licences": [card.files.licence] if card.files else [],
        "stages": list(card.stages),
        "here": text_is_here(card),
    }


def lines_of(table: Table, *, convolutions: bool) -> list[str]:
    """Return a table as text."""
    width = max(len("stage"), *(len(row.stage) for row in table.rows))
    shapes = [" x ".join(map(str, row.shape)) or "-" for row in table.rows]
    lines = [f"{'stage':<{width}}  {'gives':<16} {'parameters':>13}"]
    for row, shape in zip(table.rows, shapes, strict=True):
        lines.append(f"{row.stage:<{width}}  {shape:<16} {row.parameters:>13,}")
        if convolutions and row.convolutions:
            lines.append(f"{'':<{width}}  {', '.join(row.convolutions)}")
    return [*lines, f"{'total':<{width}}  {'':<16} {table.parameters:>13,}"]


def show_command(arguments: Sequence[str]) -> int:
    """Run `ft models show`."""
    parser = Parser(
        prog="ft models show", description="A network by stage: what each hands on for one image, and its parameters."
    )
    parser.add_argument("model", metavar="NAME", help="network, see `ft models`")
    parser.add_argument("--classes", type=int, help="outputs [those of the published weights]")
    parser.add_argument("--convolutions", action="store_true", help="list the convolutions, which --change can name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser)
    shown = deciding("shapes")
    add_recipe_flags(parser, shown)
    flags = parser.parse(arguments)
    fields = {name: getattr(flags, name) for name in shown if getattr(flags, name) is not None}
    recipe = Recipe(model=flags.model, **fields)
    before, after = show_network(recipe, backend=flags.backend, classes=flags.classes)
    if flags.json:
        print(json.dumps(as_json(before, after), indent=2))
        return 0
    card = find_card(recipe.model)
    classes = flags.classes or usual_classes(card)
    size = 0 if card.inputs == "text" else recipe.image_size or card.preprocess.crop
    takes = f"images 3 x {size} x {size}" if size else f"texts of at most {model_row(card)['max_length']} tokens"
    print(f"{recipe.model}, {classes} classes, {takes}")
    print("\n".join(lines_of(before, convolutions=flags.convolutions)))
    if after is not None:
        print(f"\nafter {printable(' '.join(arguments[1:]))}, images {recipe.in_channels} x {size} x {size}")
        print("\n".join([*lines_of(after, convolutions=flags.convolutions), *changes_of(before, after)]))
    return 0


def as_json(before: Table, after: Table | None) -> dict[str, Any]:
    """Return both tables as plain values."""
    tables = {"before": before, "after": after}
    return {name: [asdict(row) for row in table.rows] for name, table in tables.items() if table is not None}
