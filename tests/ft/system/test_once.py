"""What processes find before they have met is said by one of those that were started alike."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAYS = """
import sys, time
sys.path.insert(0, sys.argv.pop())
from ft.system.once import CLOCK, began, first_to_say
while time.clock_gettime(CLOCK) < began():  # the system counts starts in ticks
    time.sleep(0.001)
"""
WAITS = SAYS + "print('here', flush=True); input(); print(first_to_say())"
TWICE = SAYS + "print(first_to_say(), first_to_say())"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a process with these words."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def start(code, *words, cwd=tmp_path):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", code, *words, str(ROOT)], cwd=cwd, **pipes)

    return start


def said(process):
    return process.communicate("\n")[0].strip()


def test_one_of_those_that_were_started_alike_says_it(start):
    """Whatever others say meanwhile."""
    alike, other = [start(WAITS, "--lr", "1") for _ in range(3)], start(WAITS, "--lr", "2")
    assert {process.stdout.readline() for process in [*alike, other]} == {"here\n"}
    assert [said(process) for process in (alike[0], other, *alike[1:])] == ["True", "True", "False", "False"]


def test_who_is_started_later_says_it_again(start):
    assert [said(start(TWICE)), said(start(TWICE))] == ["True True"] * 2


def test_where_nothing_can_be_written_each_says_it(start, tmp_path, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 7)
    (tmp_path / "ft-said-7").symlink_to(tmp_path / "another")
    from ft.system import once

    monkeypatch.setattr(once.tempfile, "gettempdir", lambda: str(tmp_path))
    assert once.first_to_say()
    assert not (tmp_path / "another").exists()
