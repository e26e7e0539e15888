"""The catalogue can be read and run: every entry is whole, and a pair that does not run says why."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ft.differences import ENTRIES, MODULES, Entry, pair
from ft.differences.pair import Half, Measured, apart, measure, read_half, run_half
from ft.errors import RecipeError
from ft.report.catalogue import document, escaped
from ft.report.difference import list_text, show

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "differences.md"
TEXTS = ("title", "torch", "tf", "why", "shows", "mend_torch", "mend_tf")
FRAMEWORKS = {"torch": {"torch", "torchvision", "PIL"}, "tf": {"tensorflow", "keras", "PIL"}}
REGENERATE = "python -m ft.report.catalogue > docs/differences.md"
entries = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)


def test_a_file_an_entry():
    assert len(ENTRIES) == len(MODULES)
    for module in MODULES:
        assert module.ENTRY.name == module.__name__.rpartition(".")[2].replace("_", "-")


@entries
def test_every_text_is_there_and_fits(entry):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.name)
    assert len(entry.title) <= 72
    assert entry.title[0].isupper()
    for name in TEXTS:
        text = getattr(entry, name)
        assert 5 <= len(text) <= 400, f"{name} has {len(text)} characters"
        assert text == " ".join(text.split()), f"{name} has stray spaces"
        assert not re.search(r"[.,;:\-]$|\b(and|or|the|a|of|to|in)$", text), f"{name} ends in the middle or with a dot"
        assert not re.search(r"[a-z]{2}[;,][A-Za-z]{2}", text), f"{name} lacks a space between two parts"
        for left, right in ("()", "[]"):
            assert text.count(left) == text.count(right), f"{name} has an open bracket"


@entries
def test_every_entry_has_a_pair_that_can_be_read_side_by_side(entry):
    for wing, frameworks in FRAMEWORKS.items():
        program = entry.example / f"with_{wing}.py"
        assert program.is_file(), f"{program.relative_to(ROOT)} is missing"
        code = program.read_text(encoding="utf-8")
        assert len(code.splitlines()) <= 35
        tree = ast.parse(code)
        assert ast.get_docstring(tree)
        third_party = {name for name in imported(tree) if name not in sys.stdlib_module_names}
        assert third_party <= frameworks | {"numpy"}, "the framework alone"
        assert '"default"' in code
        assert '"mended"' in code


def imported(tree):
    """Yield the top-level packages that a program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_the_list_has_all_of_them_in_100_columns():
    text = list_text()
    assert all(entry.name in text and entry.title in text for entry in ENTRIES.values())
    assert max(map(len, text.splitlines())) <= 100


@entries
def test_an_entry_is_shown_whole(entry):
    text = show(entry.name, run=False)
    assert max(map(len, text.splitlines())) <= 100
    squeezed = "".join(text.split())  # long texts are broken into lines
    assert all("".join(getattr(entry, name).split()) in squeezed for name in TEXTS)
    assert "Measured" not in text


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'batchnorm-variance'"):
        show("batchnorm-varianc")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Return an entry whose pair is in tmp_path; call it with the programs of both halves."""
    entry = next(iter(ENTRIES.values()))
    monkeypatch.setattr(Entry, "example", property(lambda self: tmp_path))
    monkeypatch.setattr(pair, "PACKAGES", {"torch": "numpy", "tf": "numpy"})  # installed for sure

    def plant(torch, tf):
        (tmp_path / "with_torch.py").write_text(torch)
        (tmp_path / "with_tf.py").write_text(tf)
        return entry

    return plant


GOOD = 'print("noise before"); print(\'{"default": [1, [2, 4]], "mended": {"x": 1}, "milliseconds": 1.5}\')'
OTHER = 'print(\'{"default": [1, 2, 3], "mended": 1}\')'


def test_a_pair_is_measured(planted):
    entry = planted(GOOD, OTHER)
    measured = measure(entry)
    assert (measured.default, measured.mended) == (0.25, 0.0)
    text = show(entry.name)
    assert re.search(r"relative difference +0\.25 +0\n", text)
    assert "1  2  4" in text
    assert "milliseconds: PyTorch 1.5\n" in text


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise SystemExit('out of luck')", "out of luck"),
        ("1 / 0", "ZeroDivisionError"),
        ("print('hello')", "printed 'hello'"),
        ("", "printed ''"),
        ('print(\'{"default": ["x"], "mended": 1}\')', "not {"),
    ],
)
def test_a_half_that_does_not_run_says_why(planted, program, message):
    entry = planted(GOOD, program)
    measured = measure(entry)
    assert message in measured.tf.trouble
    assert measured.torch.default is not None
    assert (measured.default, measured.mended) == (None, None)
    assert "not measured" in show(entry.name)


def test_a_half_that_does_not_end_is_stopped(planted, monkeypatch):
    monkeypatch.setattr(pair, "TIMEOUT", 0.5)
    assert "still running" in run_half(planted(GOOD, "import time; time.sleep(600)"), "tf").trouble


def test_a_framework_that_is_not_installed_is_named(planted, monkeypatch):
    entry = planted(GOOD, GOOD)
    monkeypatch.setattr(pair, "PACKAGES", {"torch": "numpy", "tf": "no-such-package-here"})
    assert "Keras is not installed" in run_half(entry, "tf").trouble
    assert "1  2  4" in show(entry.name)


def test_without_a_checkout_there_is_no_pair(monkeypatch, tmp_path):
    monkeypatch.setattr(Entry, "example", property(lambda self: tmp_path / "none"))
    entry = next(iter(ENTRIES.values()))
    assert show(entry.name).count("not here") == 1
    assert "not here" in run_half(entry, "torch").trouble


def test_numbers_that_do_not_fit_are_infinitely_far_apart():
    nan = read_half('{"default": [1, null], "mended": 0}', "x")
    assert apart(nan.default, nan.default) == 0
    assert apart(nan.default, np.ones(2)) == np.inf
    assert apart(np.ones(2), np.ones(3)) == np.inf


def fixed(entry):
    """Return made-up figures."""
    return Measured(Half(np.ones(1), np.ones(1)), Half(np.full(1, 0.5), np.ones(1)))


def without_figures(page):
    """Return the page without what was measured, and without the versions that it was measured with."""
    page = re.sub(r"(?m)^(\| \[.*\)) \|.*$", r"\1", page)
    return re.sub(r"(?m)^(\*\*Measured:\*\*|Relative differences of).*$", r"\1", page)


def test_the_page_tells_everything():
    page = document(measure=fixed)
    for entry in ENTRIES.values():
        assert f"## {escaped(entry.title)}\n" in page
        assert page.count(f"#{entry.name})") == page.count(f'name="{entry.name}"') == 1
        for wing in FRAMEWORKS:
            assert (entry.example / f"with_{wing}.py").read_text().strip() in page
    assert page.count("they differ by 0.5 as they come, 0 mended") == len(ENTRIES)
    assert page.count("```") == 4 * len(ENTRIES)


def test_the_page_in_docs_is_up_to_date():
    assert without_figures(DOCUMENT.read_text(encoding="utf-8")) == without_figures(document(measure=fixed)), REGENERATE


def test_markdown_shows_text_as_it_is():
    assert escaped("mu*v - lr*g | <b> [x] `y`") == r"mu\*v - lr\*g \| \<b\> \[x\] \`y\`"
    assert escaped("running_var, __init__") == r"running_var, \_\_init\_\_"


def test_reports_and_catalogue_load_no_framework():
    parts = ("comparison", "training.page", "difference", "catalogue")
    code = f"import {', '.join(f'ft.report.{part}' for part in parts)}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "torchvision", "tensorflow", "keras", "ft_torch", "ft_tf"} & set(done.stdout.split())


def test_every_field_of_an_entry_is_checked_here():
    assert {field.name for field in fields(Entry)} == {"name", "probe", *TEXTS}
