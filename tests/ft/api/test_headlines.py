"""What is told of a training in several processes before its first step."""

import pytest

from ft.api.headlines import rank_notes
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.zoo import find_card

SHARED = "2 processes share each batch of 64"
APART = "bn_sync off: BatchNorm sees each process's part alone, so the result depends on their number"


@pytest.mark.parametrize(
    ("size", "freeze", "sync", "lines"),
    [
        (1, (), "off", []),
        (2, (), "on", [SHARED]),
        (2, (), "off", [SHARED, APART]),
        (2, ("base",), "off", [SHARED]),
    ],
)
def test_several_processes_are_told_with_what_they_change(size, freeze, sync, lines):
    plan = plan_freeze(find_card("resnet18"), ["bn1.weight", "fc.weight"], freeze=freeze, bn="frozen")
    recipe = Recipe(batch_size=64, bn_sync=sync)
    assert rank_notes(size, recipe, plan, ["bn1.running_var", "fc.weight"]) == lines
