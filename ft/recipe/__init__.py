"""The recipe: its fields by section, what they decide, and its files."""

from ft.recipe.fields import DECIDES, option
from ft.recipe.file import PlainLoader, StrictLoader, load, save
from ft.recipe.recipe import FIELDS, SYNONYMS, TYPES, VERSION, Recipe, checked, deciding, from_dict, renewed, to_dict

__all__ = [
    "DECIDES",
    "FIELDS",
    "SYNONYMS",
    "TYPES",
    "VERSION",
    "PlainLoader",
    "Recipe",
    "StrictLoader",
    "checked",
    "deciding",
    "from_dict",
    "load",
    "option",
    "renewed",
    "save",
    "to_dict",
]
