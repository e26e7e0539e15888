"""Nothing is loaded that was not asked for: proved in fresh processes, with a proof that the proof can fail."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.oracle import needs_torch

pytestmark = needs_torch  # it looks at what the wings load
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras"}
TORCH, TF, WINGS = {"torch", "torchvision"}, {"tensorflow", "keras"}, {"ft_torch", "ft_tf"}
ROOT = Path(__file__).parents[2]


@cache
def loaded(*pieces):
    """Run pieces of code one after the other in a fresh process, each through SystemExit; return what was loaded then.

    That is a set of top-level packages for each piece: what an earlier one loaded is in it, too.
    """
    blocks = "".join(f"try:\n    {code}\nexcept SystemExit: pass\nnote()\n" for code in pieces)
    done = subprocess.run([sys.executable, "-c", NOTING + blocks], capture_output=True, text=True, check=True, cwd=ROOT)
    return [set(line.split()) for line in done.stderr.splitlines() if line.startswith("loaded ")]


NOTING = """
import sys
def note():
    print("loaded", *{name.split(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def as_command(module, *arguments):
    """Return the code that runs a module as `python -m` does."""
    return f"import runpy; sys.argv = {['x', *arguments]}; runpy.run_module({module!r}, run_name='__main__')"


def as_ft(*arguments):
    return f"sys.argv = {['ft', *arguments]}; from ft.cli import main; assert main() == 0"


def use_all(package):
    """Return the code that uses every public name of a package."""
    return f"import {package}; assert all(getattr({package}, name) for name in {package}.__all__)"


def test_the_probe_can_fail():
    assert [found >= TORCH for found in loaded("import ft", use_all("ft_torch"), "pass")] == [False, True, True]
    with pytest.raises(subprocess.CalledProcessError):
        loaded("import ft; ft.nothing_of_that_name")


HUB = (
    "import ft",
    use_all("ft"),
    "import ft.api.finetune, ft.api.run, ft.api.evaluate, ft.api.side_by_side, ft.zoo, ft.weights, ft.data",
    as_ft("--help"),
    as_ft("train", "--help"),
    as_ft("evaluate", "--help"),
    as_ft("predict", "--help"),
    as_ft("compare", "--help"),
    as_ft("export", "--help"),
    as_ft("models", "--help"),
    as_ft("models"),
    as_ft("models", "--json"),
    as_ft("bench", "--help"),
    as_ft("cache", "--help"),
    as_ft("cache", "--cache-dir", "nowhere"),
)


@pytest.mark.parametrize("code", HUB)
def test_the_hub_loads_no_framework_and_no_wing(code):
    assert not loaded(*HUB)[HUB.index(code)] & (FRAMEWORKS | WINGS)


@pytest.mark.parametrize("wing", sorted(WINGS))
def test_a_wing_loads_no_framework_before_it_is_used(wing):
    assert not set.union(*loaded(f"import {wing}", as_command(f"{wing}.train", "--help"))) & FRAMEWORKS


@pytest.mark.parametrize("code", ["import ft", "import ft; dir(ft); ft.__version__"])
def test_import_ft_is_light(code):
    assert not loaded(code)[0] & {"numpy", "yaml", "PIL", "matplotlib", "rich"}


def test_the_pytorch_wing_loads_nothing_of_keras():
    assert not loaded("import ft", use_all("ft_torch"), "pass")[1] & (TF | {"ft_tf"})


def test_the_keras_wing_loads_nothing_of_pytorch():
    (modules,) = loaded(use_all("ft_tf"))
    assert modules >= TF
    assert not modules & (TORCH | {"ft_torch"})


MAY_REACH = (  # the door to the wings; parts of a package; commands; the user's own modules
    *("backend/contract.py", "system/lazy.py", "cli/dispatch.py", "parity/foreign/code.py"),
)


def test_nothing_reaches_a_framework_past_the_imports():
    reach = re.compile(r"\bsys\.modules\b|from sys import|\bimport_module\b|\b__import__\b")
    reaching = {path.relative_to(ROOT / "ft") for path in (ROOT / "ft").rglob("*.py") if reach.search(path.read_text())}
    assert reaching == {Path(place) for place in MAY_REACH}


def test_the_contracts_of_import_linter():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
