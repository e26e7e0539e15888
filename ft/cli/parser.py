"""What the parsers of all commands share; flags of `train` are the fields of the recipe."""

import argparse
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from ft.errors import RecipeError
from ft.recipe import FIELDS, SYNONYMS, TYPES

NEAR = 0.7  # below it are words of another meaning: version is to precision 0.63
WORDS = {  # what other programs call ours, beside the fields of the recipe
    **dict.fromkeys(("gpu", "gpus", "cuda", "accelerator"), "device"),
    **dict.fromkeys(("output", "output_dir", "out_dir", "save_dir"), "out"),
    **dict.fromkeys(("checkpoint", "continue"), "resume"),
    **dict.fromkeys(("framework", "engine"), "backend"),
    **dict.fromkeys(("val_split", "validation_split"), "val_fraction"),
    **dict.fromkeys(("amp", "fp16", "bf16"), "precision"),
    "silent": "quiet",
}


class Parser(argparse.ArgumentParser):
    """argparse that raises RecipeError, with the nearest flag, instead of printing usage and exiting."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise RecipeError(f"{message}; see {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse, and name the nearest flag for one that does not exist."""
        flags, strangers = self.parse_known_args(arguments)
        for word in strangers:
            raise RecipeError(self.unknown_flag(word))
        return flags

    def unknown_flag(self, word: str) -> str:
        """Return the message for a word that is no flag and no argument."""
        if not word.startswith("--"):
            return f"unexpected argument '{word}'; see {self.prog} --help"
        flag = word.split("=")[0]
        if flag == "--version":
            return "unknown flag '--version'; ft --version says it"
        known = {flag: flag for action in self._actions for flag in action.option_strings if flag.startswith("--")}
        synonyms = {flag_of(word): flag_of(field) for word, field in {**SYNONYMS, **WORDS}.items()}
        meant = {**{word: its for word, its in synonyms.items() if its in known}, **known}
        words = {word.removeprefix("--"): its for word, its in meant.items()}  # the dashes are alike in all
        near = get_close_matches(flag.removeprefix("--"), words, n=1, cutoff=NEAR)
        hint = f"did you mean '{words[near[0]]}'?" if near else f"see {self.prog} --help"
        return f"unknown flag '{flag}'; {hint}"


def flag_of(field: str) -> str:
    """Return the flag of a recipe field."""
    return "--" + field.replace("_", "-")


def config_fields(path: str | None) -> dict[str, Any]:
    """Return the fields that a recipe file sets, its name as that of the run if it says none."""
    if not path:
        return {}
    from ft.recipe import load

    fields = load(path, note=lambda line: print(f"note: {line}", file=sys.stderr))
    return {"name": Path(path).stem, **fields}


def add_recipe_flags(parser: argparse.ArgumentParser, names: Collection[str] = FIELDS) -> None:
    """Add a flag for every field of the recipe, or for those of these names, under the field's heading."""
    # a usage of a hundred flags would push what they mean off the screen
    places = [action for action in parser._actions if not action.option_strings]
    words = [f"[{place.metavar}]" if place.nargs == "?" else str(place.metavar) for place in places]
    parser.usage = " ".join(["%(prog)s", *words, "[FLAG [VALUE]] ..."])
    groups: dict[str, Any] = {}
    for name, field in ((name, field) for name, field in FIELDS.items() if name in names):
        title = field.metadata["group"]
        group = groups.setdefault(title, None) or parser.add_argument_group(title)
        groups[title] = group
        default = (",".join(field.default) or None) if isinstance(field.default, tuple) else field.default
        text = field.metadata["help"] + ("" if default is None else f" [{str(default).lower()}]")
        if TYPES[name] is bool:
            group.add_argument(flag_of(name), action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            kind = TYPES[name]
            word = "|".join(get_args(kind)) if get_origin(kind) is Literal else name.upper()
            flags = (flag_of(name), *field.metadata["flags"])
            group.add_argument(*flags, dest=name, metavar=word, default=None, help=text.replace("%", "%%"))


def add_backend(parser: argparse.ArgumentParser, *, default: str | None = "torch", text: str | None = None) -> None:
    """Add --backend. text: what the default is, if its name does not say it."""
    text = f"framework [{text or default or 'the one that trained the run'}]"
    parser.add_argument("--backend", choices=["torch", "tf"], default=default, help=text)
