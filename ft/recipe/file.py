"""Recipe files: YAML that runs nothing and loses nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ft.errors import RecipeError, printable
from ft.recipe.recipe import FIELDS, VERSION, Recipe, renewed, to_dict, unknown_key

MAX_RECIPE_BYTES = 100_000


def load(path: str | Path, *, note: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Read the keys that a recipe file sets. YAML without tags, aliases or duplicate keys, at most 100 kB.

    note: told where the file is of an older version, which changes what it says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECIPE_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"recipe {path}: {error.strerror or error}; pass the path of a YAML file") from None
    if len(text) > MAX_RECIPE_BYTES:
        raise RecipeError(f"recipe {path}: more than {MAX_RECIPE_BYTES} bytes; expected a few lines like 'lr: 0.001'")
    try:
        values = yaml.load(text, StrictLoader)  # a SafeLoader that refuses more, see below
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates and int()
        said = printable(" ".join(str(error).split()))
        raise RecipeError(f"recipe {path}: {said}; expected lines like 'lr: 0.001'") from None
    if not isinstance(values, dict):
        kind = "nothing" if values is None else f"a {type(values).__name__}"
        raise RecipeError(f"recipe {path}: expected lines like 'lr: 0.001', found {kind}")
    for key in (values := brought_up(values, path, note)):
        if key not in FIELDS:
            raise RecipeError(f"recipe {path}: {unknown_key(key)}")
    return values


def brought_up(values: dict[str, Any], path: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """Return what a file of any version says, in words of the newest."""
    version, said = values.get("version", 1), {key: value for key, value in values.items() if key != "version"}
    try:
        now = renewed(said, version)
    except RecipeError as error:
        raise RecipeError(f"recipe {path}: {error}") from None
    if now.get("unfreeze") != said.get("unfreeze"):
        note(
            f"recipe {printable(path)} says no 'version: {VERSION}', so its unfreeze counts epochs from 0; "
            f"it means --unfreeze {printable(','.join(now['unfreeze']))}"
        )
    return now


def save(recipe: Recipe, path: str | Path) -> None:
    """Write every field, defaults included, so that a run's recipe stays what it was when defaults change."""
    from ft.system import files  # not at the top: it imports NumPy, and `--help` needs none

    files.write_text(path, yaml.safe_dump({"version": VERSION, **to_dict(recipe)}, sort_keys=False))


class PlainLoader(yaml.SafeLoader):
    """SafeLoader that also refuses tags and aliases (expansion bombs)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        refused = "aliases" if isinstance(event, yaml.AliasEvent) else "tags" if event.tag is not None else None
        if refused:
            raise yaml.constructor.ConstructorError(None, None, f"{refused} are not allowed", event.start_mark)
        return super().compose_node(parent, index)


class StrictLoader(PlainLoader):
    """PlainLoader that also refuses duplicate keys (silently lost settings)."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate or non-text key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
