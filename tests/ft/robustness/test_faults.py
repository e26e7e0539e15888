"""F1 to F20: what machines do to a training, and what is left of it. One test, or one reason, for each number.

The trainings are the hub's own, in processes of their own, with a wing of NumPy (hub.py): the real wings are killed in
tests/wings/test_killed.py.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ft.errors import RunError
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.system import files
from tests.ft.data.made import made
from tests.ft.robustness.crash import write_images
from tests.ft.robustness.plants import PLANTS
from tests.oracle import needs_torch

pytestmark = needs_torch  # the commands look for the framework that they name
ROOT = Path(__file__).parents[3]
SMALL = ["--model", "resnet18", "--weights", "none", "--image-size", "16", "--epochs", "3", "--batch-size", "4"]
SMALL += ["--workers", "2", "--freeze", "none"]
STEPS = 3  # an epoch: 12 training images

NOT_APPLICABLE = {
    9: "images are read by threads: there is no worker process that could be killed alone",
    11: "no worker processes, so nothing goes through /dev/shm",
}
ELSEWHERE = {15: "tests/wings/test_struck_ranks.py"}  # a rank that is lost


def fault(number, name):
    """Mark a test as the answer to a row of the table."""
    return pytest.mark.parametrize("row", [number], ids=[f"F{number:02d}-{name}"])


@pytest.mark.parametrize("number", NOT_APPLICABLE, ids="F{:02d}-not-applicable".format)
def test_rows_that_do_not_apply(number):
    """F9 and F11 fall with the first worker process: there is none."""
    source = "".join(path.read_text() for wing in ("ft", "ft_torch", "ft_tf") for path in (ROOT / wing).rglob("*.py"))
    assert not re.search(r"multiprocessing|ProcessPool", source)
    assert NOT_APPLICABLE[number]


def test_every_row_has_an_answer():
    answered = {int(n) for n in re.findall(r"^@fault\((\d+),", Path(__file__).read_text(), re.MULTILINE)}
    assert answered | set(NOT_APPLICABLE) | set(ELSEWHERE) == set(range(1, 21))
    assert all((ROOT / path).is_file() for path in ELSEWHERE.values())
    assert not answered & set(NOT_APPLICABLE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of 16 images in two classes."""
    root = tmp_path_factory.mktemp("data") / "pets"
    write_images(root)
    return root


@pytest.fixture
def train(tmp_path, data):
    return partial(train_in, tmp_path, data)


def train_in(folder, data, *arguments, fault="", quiet=True, environment=(), **streams):
    """Run the hub's training command in a folder; return its exit code and the last line of stderr."""
    command = [sys.executable, "-m", "tests.ft.robustness.hub", *SMALL, "--data", data, *arguments]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "FT_FAULT": fault, **dict(environment)}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "timeout": 1200, **streams}
    done = subprocess.run([*command, *["--quiet"] * quiet], cwd=folder, env=settings, text=True, **streams)
    return done.returncode, ((done.stderr or "").strip().splitlines() or [""])[-1]


def saved_step(folder):
    """Return the step of the last checkpoint, which must be whole."""
    return checkpoint.load(checkpoint.pointed(folder, "last")).step


def require_same_end(folder, whole):
    """Assert that a run ended as the one that was never disturbed."""
    for name in ("model.safetensors", "predictions.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert [row["step"] for row in runfolder.read_log(folder) if "lr" in row] == list(range(1, 3 * STEPS + 1))


@pytest.fixture(scope="module")
def whole(data):
    """The run that is never disturbed."""
    assert train_in(data.parent, data, "--out", "whole") == (0, "")
    return data.parent / "whole"


@fault(1, "sigint")
def test_one_sigint_saves_two_end_at_once(row, train, whole, tmp_path):
    assert train("--out", "once", fault="sigint 4") == (130, "stopped after step 5; go on with --resume once")
    assert saved_step(tmp_path / "once") == 5
    assert train("--out", "twice", fault="twice 7")[0] == -signal.SIGINT
    assert checkpoint.last_good(tmp_path / "twice").step in (STEPS, 2 * STEPS)  # the latter may still be on its way
    assert train("--out", "look", fault="evaluate 2") == (130, "stopped after step 6; go on with --resume look")
    assert saved_step(tmp_path / "look") == 2 * STEPS
    for name in ("once", "twice", "look"):
        assert train("--resume", name, "--workers", "0") == (0, "")
        require_same_end(tmp_path / name, whole)


@fault(2, "sigterm")
def test_sigterm_saves_at_the_end_of_the_step(row, train, whole, tmp_path):
    assert train("--out", "out", fault="sigterm 7") == (143, "stopped after step 8; go on with --resume out")
    assert train("--resume", "out", "--workers", "1") == (0, "")
    require_same_end(tmp_path / "out", whole)


def harness(module, *arguments):
    """Run one of the fault harnesses and return its counts."""
    command = [sys.executable, "-m", f"tests.ft.robustness.{module}", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    counts = json.loads(done.stdout)
    print(module, *arguments, {name: count for name, count in counts.items() if name != "lost"}, len(counts["lost"]))
    return counts


@fault(3, "kill-in-a-save")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_a_kill_or_a_failure_at_any_change_loses_nothing(row, every):
    counts = harness("crash", "saves", "--every", str(every))
    assert counts["lost"] == []
    assert counts["total"] >= 300 // every
    assert set(counts["struck"]) == {"kill", "torn kill", "ENOSPC", "EIO"}


@fault(3, "kill-in-a-run")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 97])
def test_a_kill_or_a_failure_anywhere_in_a_run_changes_nothing_in_the_end(row, every):
    counts = harness("crash", "runs", "--every", str(every))
    assert counts["lost"] == []
    assert counts["total"] >= 300 // every


@fault(3, "kill-in-a-run-of-a-wing")
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_a_whole_run_that_is_killed_at_named_moments_comes_to_the_same_end(row, backend):
    counts = harness("struck", "--backend", backend, "--kills", "100")
    assert (counts["killed"], counts["lost"]) == (100, [])


@fault(18, "spoilt-files")
@pytest.mark.parametrize(("every", "least"), [pytest.param(6, 2000, marks=pytest.mark.slow), (400, 25)])
def test_a_spoilt_file_is_a_line(row, every, least):
    counts = harness("mutate", "--every", str(every))
    assert counts["lost"] == []
    assert counts["mutated"] >= least
    assert counts["grown_MB"] < 500


@fault(4, "kill-before-the-rename")
def test_leftovers_are_ignored_and_removed(row, train, whole, tmp_path):
    train("--out", "out", fault="sigint 4")
    left = tmp_path / "out/checkpoints/.tmp-0123456789abcdef"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    (tmp_path / "out/.tmp-x").write_bytes(b"half")
    assert train("--resume", "out") == (0, "")
    assert not list((tmp_path / "out").rglob(".tmp-*"))
    require_same_end(tmp_path / "out", whole)


@fault(5, "disk-full")
def test_a_full_disk_is_seen_before_and_in_a_save(row, tmp_path, monkeypatch):
    x = {"w": np.zeros(1000)}
    checkpoint.save(tmp_path, step=1, model=x, optimizer=x, state={})
    wrote = []
    with monkeypatch.context() as patch:
        usage = files.shutil.disk_usage
        patch.setattr(files.shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
        patch.setattr("ft.weights.safetensors_file.open", lambda *a: wrote.append(a), raising=False)
        for check in (
            lambda: checkpoint.save(tmp_path, step=2, model=x, optimizer=x, state={}),
            lambda: checkpoint.require_room(tmp_path, x, x),
        ):
            with pytest.raises(RunError, match=r"No space left on device \(\d+ bytes needed, 1000 free\); free some"):
                check()
    assert wrote == []
    for number in (errno.ENOSPC, errno.EDQUOT):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda _, n=number: (_ for _ in ()).throw(OSError(n, os.strerror(n))))
            with pytest.raises(RunError, match=r"bytes needed, \d+ free\); free some"):
                checkpoint.save(tmp_path, step=2, model=x, optimizer=x, state={})
    assert checkpoint.last_good(tmp_path).step == 1
    assert os.listdir(tmp_path / "checkpoints") == ["step-000001"]


@fault(6, "power-loss")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_power_loss_at_any_change_loses_nothing(row, every):
    counts = harness("power", "--every", str(every))
    assert counts["lost"] == []
    assert counts["losses"] >= 800 // every


@pytest.mark.parametrize("plant", PLANTS)
def test_the_harnesses_find_what_they_look_for(plant):
    if plant == "names are not mended":  # between a checkpoint and its name there are few changes
        assert harness("crash", "saves", "--every", "5", "--plant", plant)["lost"]
    else:
        assert harness("power", "--every", "9", "--plant", plant)["lost"]


@fault(7, "no-hard-links")
def test_everything_is_renamed_within_its_folder_and_nothing_linked(row, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    for name in ("link", "symlink"):
        monkeypatch.setattr(os, name, refuse)
    rename = os.rename

    def within(a, b):
        if Path(a).parent != Path(b).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(a, b)

    monkeypatch.setattr(os, "rename", within)
    monkeypatch.setattr(os, "replace", within)
    x = {"w": np.zeros(3)}
    checkpoint.save(tmp_path, step=1, model=x, optimizer=x, state={})
    checkpoint.point(tmp_path, "last", 1)
    checkpoint.prune(tmp_path, set())
    assert os.listdir(tmp_path / "checkpoints") == ["last.json"]


@fault(8, "reader-raises")
def test_what_a_reader_raises_comes_with_the_files_name(row, tmp_path, monkeypatch):
    from ft.data import Preprocess, Sample
    from ft.data.batches import images as batches
    from ft.errors import DataError

    write_images(tmp_path)
    path = tmp_path / "cat" / "3.png"
    ours = made([Sample("cat/3.png", 0, path)], Preprocess(16, 16, "bilinear", (0, 0, 0), (1, 1, 1)), batch_size=1)

    def break_down(*_, **__):
        raise ZeroDivisionError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(batches, "decode", break_down)
        with pytest.raises(ZeroDivisionError, match="planted") as caught:
            next(ours.epoch(0))
    assert caught.value.__notes__ == [f"while reading {path}"]
    assert any(entry.name == "break_down" for entry in caught.traceback)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match=str(path)):
        next(ours.epoch(0))


@fault(10, "hanging-read")
def test_a_file_that_does_not_come_is_named(row, train, whole, tmp_path):
    """The thread that hangs does not keep the process."""
    code, said = train("--out", "out", "--read-timeout", "3", fault="hang 3.png")
    assert (code, said.startswith("error: ")) == (2, True)
    assert re.search(r"pets/(cat|dog)/3\.png: no answer from the disk within 3 s; mend .* raise --read-timeout", said)
    assert saved_step(tmp_path / "out") == STEPS
    assert train("--resume", "out") == (0, "")
    require_same_end(tmp_path / "out", whole)


@fault(12, "fork-after-init")
def test_nothing_forks(row):
    """Images are read by threads; what runs apart (a Keras file's inspection, strangers) is a program started anew."""
    for folder in ("ft", "ft_torch", "ft_tf"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"os\.fork|forkserver|multiprocessing|preexec_fn", path.read_text()), path


@fault(13, "out-of-memory")
def test_an_exhausted_memory_is_advice(row, train, tmp_path):
    """The frameworks' own errors: test_runtime.py of each wing."""
    code, said = train("--out", "out", fault="memory 4")
    assert code == 2
    assert "out of memory with batches of 4 images of 16 px; try --batch-size 2, a smaller --image-size" in said
    assert saved_step(tmp_path / "out") == STEPS


@fault(14, "nan")
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_images(row, train, data, tmp_path):
    code, said = train("--out", "out", fault="nan 7")
    assert code == 2
    assert "step 8: loss nan" in said
    assert "the last good state is out/checkpoints/step-000006" in said
    bad = json.loads((tmp_path / "out" / "bad_step.json").read_bytes())
    assert (bad["step"], bad["epoch"], bad["loss"]) == (8, 3, None)
    assert len(bad["images"]) == 4
    assert all((data / name).is_file() for name in bad["images"])
    kept = checkpoint.last_good(tmp_path / "out")
    assert kept.step == 2 * STEPS
    assert all(np.isfinite(tensor).all() for tensor in kept.model.values())


@fault(16, "two-writers")
def test_a_second_process_is_refused(row, train, tmp_path):
    train("--out", "out", fault="sigint 4")
    with files.lock(tmp_path / "out"):
        refused = train("--resume", "out")
    assert refused == (2, "error: another process is writing to out; wait for it to end, or choose another --out")


@fault(16, "races")
@pytest.mark.parametrize(
    ("processes", "races"), [(2, 6), (3, 6), *(pytest.param(n, 100, marks=pytest.mark.slow) for n in (2, 3))]
)
def test_of_those_that_start_at_once_one_wins(row, processes, races):
    counts = harness("races", "--processes", str(processes), "--races", str(races))
    assert (counts["races"], counts["lost"]) == (races, [])


@fault(17, "logger-down")
def test_the_log_is_complete_whatever_listens(row, train, whole, tmp_path):
    """There is no logger but the local file; progress that cannot be shown costs no line of it."""
    with open("/dev/full", "w") as full:
        assert train("--out", "out", quiet=False, stderr=full) == (0, "")
    require_same_end(tmp_path / "out", whole)


@fault(18, "bit-rot")
def test_a_rotten_checkpoint_is_passed_over_loudly(row, train, whole, tmp_path):
    train("--out", "out", fault="sigint 7")  # step 8; the best one, of an epoch's end, is kept beside it
    path = checkpoint.pointed(tmp_path / "out", "last") / "model.safetensors"
    assert saved_step(tmp_path / "out") == 8
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        good = checkpoint.last_good(tmp_path / "out")
    assert good.step in (STEPS, 2 * STEPS)
    assert "step-000008 is broken: model.safetensors was altered (its sha256 differs); falling back" in str(caught[0])
    assert train("--resume", "out")[0] == 0
    require_same_end(tmp_path / "out", whole)


@fault(18, "bit-rot-in-what-is-shared")
def test_a_copy_replaces_what_rotted_loudly(row, train, whole, tmp_path):
    train("--out", "out", "--freeze", "stem", fault="sigint 7")
    first, copy = sorted((tmp_path / "out/checkpoints").glob("frozen-*"))
    sound = first.read_bytes()
    first.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.warns(
        UserWarning, match=f"step-000008 is broken: {first.name} was altered.*its copy {copy.name} takes"
    ):
        assert checkpoint.last_good(tmp_path / "out").step == 8
    assert train("--resume", "out", "--freeze", "stem")[0] == 0
    assert first.read_bytes() == sound
    require_same_end(tmp_path / "out", whole)


@fault(19, "clock")
def test_order_is_by_step_whatever_the_clock_says(row, train, whole, tmp_path):
    train("--out", "out", fault="sigint 7", environment={"TZ": "Pacific/Kiritimati"})
    for path in (tmp_path / "out").rglob("*"):
        step = int(match[1]) if (match := re.search(r"step-(\d+)", str(path))) else 5
        os.utime(path, (2e9 - step * 1e6, 2e9 - step * 1e6))  # the newest seems the oldest
    assert checkpoint.last_good(tmp_path / "out").step == 8
    assert train("--resume", "out", environment={"TZ": "Pacific/Pago_Pago"}) == (0, "")
    require_same_end(tmp_path / "out", whole)


@fault(20, "nobody-reads")
@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
def test_a_pipe_that_nobody_reads_ends_nothing(row, which, train, whole, tmp_path):
    read, write = os.pipe()
    os.close(read)
    streams = {name: write for name in ("stdout", "stderr") if which in (name, "both")}
    assert train("--out", "out", quiet=False, **streams)[0] == 0
    os.close(write)
    require_same_end(tmp_path / "out", whole)
