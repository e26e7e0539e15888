"""Little memory: one line and exit code 2, whatever gives way first."""

import resource
import subprocess
import sys

import pytest

from ft.cli.guard import LEAST_MEMORY, OUT_OF_MEMORY, guarded

LINE = f"{OUT_OF_MEMORY}\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libX.so.6: failed to map segment from shared object"),
    ],
    ids=["python", "system", "loader"],
)
def test_what_says_that_memory_is_exhausted(error, capsys):
    def work():
        raise error

    assert guarded(work) == 2
    assert capsys.readouterr().err == LINE


def test_memory_that_gives_way_while_the_error_is_looked_at(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ft.backend.contract", None)  # an ImportError, as where nothing can be loaded
    monkeypatch.delattr("ft.backend.contract")

    def work():
        raise ValueError("a bug")

    assert guarded(work) == 70
    assert "ValueError: a bug" in capsys.readouterr().err


@pytest.mark.parametrize("limited", [True, False])
def test_an_interrupt_that_a_library_sends_itself_is_none(limited, monkeypatch, capsys):
    monkeypatch.setattr("ft.cli.guard.memory_limit", lambda: 1 << 30 if limited else None)
    code = compile("raise KeyboardInterrupt", "<frozen importlib._bootstrap>", "exec")

    def work():
        exec(code, {})

    assert guarded(work) == (2 if limited else 130)
    assert (capsys.readouterr().err == LINE) is limited


@pytest.mark.parametrize("kilobytes", [100_000, LEAST_MEMORY >> 10])
def test_a_limit_of_memory_ends_in_a_line(kilobytes):
    """What lies between is refused before anything large is loaded."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))

    command = [sys.executable, "-m", "ft", "evaluate", "nowhere"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (2, 1, "error: "), done.stderr
