"""The names of a run's files stand in one place."""

import ast
from pathlib import Path

import pytest

from ft.system import names

ROOT = Path(__file__).parents[3]
SPELT = {
    *(names.RECIPE, names.LOG, names.MODEL, names.RESULT, names.PREDICTIONS, names.CURVES, names.CONFUSION),
    *(names.REPORT, names.BAD_STEP, names.CHECKPOINTS, names.OPTIMIZER, names.STATE),
}


def spelt_in(path):
    """Return the names that are strings of a module, or the end of one."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in texts if text.rpartition("/")[2] in SPELT}


@pytest.mark.parametrize("package", ["ft", "ft_torch", "ft_tf"])
def test_no_other_file_spells_them(package):
    paths = {path: spelt_in(path) for path in (ROOT / package).rglob("*.py")}
    assert paths.pop(Path(names.__file__), SPELT) == SPELT
    assert {str(path): names_in for path, names_in in paths.items() if names_in} == {}
