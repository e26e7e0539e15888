"""Standard streams that are closed, full or hung up: the work is done, and the exit code is the work's."""

import os
import pty
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ft.runs import checkpoint
from tests.ft.robustness.crash import write_images
from tests.ft.robustness.test_faults import SMALL, require_same_end, train_in

ROOT = Path(__file__).parents[3]
STREAMS = [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "&>/dev/full", "2>&1 | true"]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
WORK = """
import sys
from ft.cli.guard import guarded
from ft.errors import RecipeError

def work(code):
    print("x" * 100_000)
    if code == 2:
        raise RecipeError("a mistake")
    assert sys.stdout.isatty() is False
    open(f"{sys.argv[1]}.{code}", "w").close()
    return code

codes = [guarded(lambda: work(code)) for code in (0, 2, 1)]
sys.exit(1 if codes == [0, 2, 1] else 99)
"""


def shell(command, folder):
    """Run a line of bash; return the exit code of its first program."""
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, env=BUFFERED).returncode


@pytest.mark.parametrize("streams", STREAMS)
def test_the_exit_code_is_that_of_the_work(tmp_path, streams):
    (tmp_path / "work.py").write_text(WORK)
    assert shell(f"{sys.executable} work.py done {streams}", tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == ["done.0", "done.1", "work.py"]


@pytest.mark.parametrize(
    ("words", "code", "streams"),
    [("models", 0, ">/dev/full"), ("train --help", 0, "| true"), ("data check nowhere", 2, "&>/dev/full")],
)
def test_commands_that_nobody_hears(tmp_path, words, code, streams):
    assert shell(f"{sys.executable} -m ft {words} {streams}", tmp_path) == code


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("streams") / "pets"
    write_images(root)
    assert train_in(root.parent, root, "--out", "whole") == (0, "")
    return root


@pytest.fixture
def hub(tmp_path, data):
    """Return the start of a training command, in a folder of its own."""
    return partial(train_in, tmp_path, data)


def test_a_file_of_the_run_never_takes_the_number_of_a_stream(tmp_path, data, hub):
    closed = f"exec {sys.executable} -c '{PRINTING}' {' '.join(SMALL)} --data {data} --out out <&- >&- 2>&-"
    assert shell(closed, tmp_path) == 0
    require_same_end(tmp_path / "out", data.parent / "whole")


PRINTING = """
import os, sys
from tests.numpy_wing import Learner
from tests.ft.robustness import hub
os.environ["FT_FAULT"] = "none 0"
def shout(step):
    for number in (1, 2):
        os.write(number, b"a library prints")
plant = hub.plant_fault
hub.plant_fault = lambda what, at: (plant(what, at), setattr(Learner, "before_step", staticmethod(shout)))
sys.exit(hub.main())
""".replace("'", '"')


@pytest.mark.parametrize(("what", "number"), [("sigterm", 143), ("sighup", 129), ("sigint", 130)])
def test_a_stop_before_the_first_step_is_one_line_and_leaves_nothing(tmp_path, hub, what, number):
    said = hub("--out", "out", fault=f"start {what}")
    assert said == (number, "stopped; a run that has a checkpoint goes on with --resume RUN")
    assert os.listdir(tmp_path) == []


def test_hangups_save_like_sigterm(tmp_path, data, hub):
    """They come in pairs, and before or after a SIGTERM: that is nobody's impatience."""
    for what, code in (("sighup", 129), ("hangups", 129), ("shutdown", 143)):
        assert hub("--out", what, fault=f"{what} 4") == (code, f"stopped after step 5; go on with --resume {what}")
        assert checkpoint.last_good(tmp_path / what).step == 5
        assert hub("--resume", what) == (0, "")
        require_same_end(tmp_path / what, data.parent / "whole")


def test_a_hangup_that_is_ignored_stays_so(tmp_path, data, hub):
    ignore = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    assert hub("--out", "out", fault="sighup 4", preexec_fn=ignore) == (0, "")
    require_same_end(tmp_path / "out", data.parent / "whole")


def test_a_training_goes_on_without_its_terminal(tmp_path, data):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.ft.robustness.hub", *SMALL, "--data", data, "--out", "out"]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(command, cwd=tmp_path, env=BUFFERED, **streams)
    os.close(theirs)
    said = b""
    while b"run folder" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(1200) == 0
    require_same_end(tmp_path / "out", data.parent / "whole")
