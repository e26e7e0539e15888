"""One of several processes fails, hangs or is killed, or a signal comes: all end, in bounded time, with one word."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ft.system.together import Member, cause

ROOT = Path(__file__).parents[3]
STARTER = """
import os, sys
from ft.cli.guard import guarded
from ft.system.together import run_together

stand_in, grace, linger, folder, *deeds = sys.argv[1:]
places = [{**os.environ, "RANK": str(rank)} for rank in range(len(deeds))]
command = [sys.executable, stand_in, folder, *deeds]
sys.exit(guarded(lambda: run_together(command, places, grace=float(grace), linger=float(linger))))
"""
STAND_IN = str(Path(__file__).with_name("stand_in.py"))
PATIENCE = 300  # seconds: of a test that would fail
BRIEF = {"grace": {"wait", "ignore", "hang"}, "linger": {"ignore", "hang"}}  # before what does not end by itself


@pytest.fixture
def start(tmp_path):
    """Start stand-ins together and return the process that started them."""

    def start(*deeds):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        waits = [str(0.4 if kinds & set(deeds) else PATIENCE) for kinds in BRIEF.values()]
        return subprocess.Popen(
            [sys.executable, "-c", STARTER, STAND_IN, *waits, str(tmp_path), *deeds],
            env=environment,
            start_new_session=True,
            **pipes,
        )

    return start


@pytest.fixture
def ended(tmp_path):
    """Return exit code, stdout and stderr of what `start` started, none of which is left."""

    def ended(process):
        out, err = process.communicate(timeout=PATIENCE)
        for rank in tmp_path.iterdir():
            with pytest.raises(ProcessLookupError):
                os.kill(int(rank.read_text().split()[0]), 0)
        return process.returncode, out, err

    return ended


def heard(folder, rank):
    """Return the signals that one of them got."""
    return (folder / str(rank)).read_text().split()[1:]


def runs(process):
    """Tell whether a process runs; one that ended may be kept for a parent that does not ask."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", process], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def wait_until(told):
    """Wait for something."""
    end = time.monotonic() + PATIENCE
    while not told():
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_for_ranks(folder, count):
    """Wait until so many of them are at work."""
    wait_until(lambda: sum(bool(path.read_text()) for path in folder.iterdir()) == count)


def test_the_first_one_is_seen_and_all_end_well(start, ended):
    assert ended(start("end 0", "end 0", "end 0")) == (0, "out of 0\n", "err of 0\n")


@pytest.mark.parametrize(
    ("deeds", "code", "shown"),
    [
        (("wait", "end 7", "wait"), 7, "err of 0\nerr of 1\n"),
        (("end 7", "wait"), 7, "err of 0\n"),
        (("ignore", "end 7", "ignore"), 7, "err of 0\nerr of 1\n"),
        (("hang", "hang", "end 7"), 7, "err of 0\nerr of 2\n"),
        (("end 2", "end 2"), 2, "err of 0\n"),
        (("end 2", "say 2", "end 2"), 2, "err of 0\nerror: of 1\n"),
        (
            ("wait", "kill"),
            137,
            "err of 0\nerr of 1\nerror: process 1 of 2 was ended by SIGKILL, and the others with it;",
        ),
        (("kill", "wait"), 137, "err of 0\nerror: process 0 of 2 was ended by SIGKILL, and the others with it;"),
        (("miss 70", "kill"), 137, "err of 0\nerr of 1\n"),  # it missed the other, and said so
    ],
)
def test_a_bad_end_is_the_end_of_all(start, ended, deeds, code, shown):
    got, out, err = ended(start(*deeds))
    assert (got, out) == (code, "out of 0\n")
    assert err.startswith(shown)
    assert len(err.splitlines()) == len(shown.splitlines())


def test_one_that_was_killed_is_the_cause_though_it_is_seen_later():
    """And an abort is not: an engine's answer to the end of another."""
    missed, lost = (Member(rank, SimpleNamespace(returncode=None), None) for rank in (0, 1))
    for member in (missed, lost):
        member.process.poll = lambda process=member.process: process.returncode
    missed.process.returncode = 70
    assert cause(None, [missed, lost]) is missed
    lost.process.returncode = -signal.SIGABRT
    assert cause(missed, [missed, lost]) is missed
    lost.process.returncode = -signal.SIGKILL
    assert cause(missed, [missed, lost]) is cause(lost, [missed, lost]) is lost


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_each_once(start, ended, tmp_path, number):
    process = start("wait", "wait", "wait")
    wait_for_ranks(tmp_path, 3)
    os.killpg(process.pid, number)  # as a terminal does it: the whole group
    assert ended(process) == (128 + number, "out of 0\n", "err of 0\n")
    assert [heard(tmp_path, rank) for rank in range(3)] == [[number.name]] * 3


def test_they_may_finish_at_a_signal(start, ended, tmp_path):
    process = start("finish", "finish")
    wait_for_ranks(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


@pytest.mark.parametrize("deed", ["ignore", "hang"])
def test_one_that_goes_on_after_a_signal_is_ended(start, ended, tmp_path, deed):
    process = start("wait", deed)
    wait_for_ranks(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "out of 0\n", "err of 0\n")


@pytest.mark.parametrize("deed", ["wait", "ignore"])
def test_they_stop_when_who_started_them_is_killed(start, tmp_path, deed):
    process = start("finish", deed)
    wait_for_ranks(tmp_path, 2)
    process.kill()
    process.communicate(timeout=PATIENCE)  # until nobody holds its streams
    wait_until(lambda: not any(runs((tmp_path / str(rank)).read_text().split()[0]) for rank in (0, 1)))
    assert heard(tmp_path, 0) == ["SIGTERM"]


def test_a_second_signal_ends_all_at_once(start, ended, tmp_path):
    process = start("ignore", "ignore")
    wait_for_ranks(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: heard(tmp_path, 0) and heard(tmp_path, 1))
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    assert heard(tmp_path, 0) == heard(tmp_path, 1) == ["SIGTERM"]
