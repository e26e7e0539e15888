"""Every row has its tests, or the reason why it cannot have any yet. `pytest -s` prints the table."""

import re
from pathlib import Path

import pytest

from tests.ft.robustness.rows import NOT_YET, ROWS

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"^def (test_row_(\d\d)_\w+)", re.MULTILINE)


def answers():
    """Return the names of the tests of each row, from the sources of both suites."""
    tests = {}
    for path in sorted([*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("parity_tests/**/test_*.py")]):
        for name, number in NAMED.findall(path.read_text(encoding="utf-8")):
            tests.setdefault(int(number), []).append(f"{path.relative_to(ROOT)}::{name}")
    return tests


def test_the_rows_are_those_of_the_list():
    assert list(ROWS) == list(range(1, 49))
    assert set(answers()) <= set(ROWS)


@pytest.mark.parametrize("number", ROWS, ids=lambda number: f"row-{number:02}")
def test_every_row_is_answered(number):
    tests = answers().get(number, [])
    assert bool(tests) != (number in NOT_YET)


def test_the_table():
    tests = answers()
    for number, text in ROWS.items():
        print(f"\n{number:2}  {text}", *(tests.get(number) or [NOT_YET[number]]), sep="\n    ")
