"""Checkpoints: exact, whole after a crash at any moment, and picked by step."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from ft.errors import RunError
from ft.runs import checkpoint

RNG = np.random.default_rng(0)
MODEL = {
    "layer1.0.conv1.weight": RNG.normal(size=(5, 3, 2, 7)).astype(np.float32),
    "transposed": RNG.normal(size=(4, 6)).T,
    "bn.num_batches_tracked": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
}
OPTIMIZER = {"momentum/fc.weight": RNG.normal(size=(2, 3))}
STATE = {"recipe": {"lr": 0.1}, "epoch": 3, "best": {"top1": 0.5}}


def save(folder, step, **changes):
    return checkpoint.save(folder, **{"step": step, "model": MODEL, "optimizer": OPTIMIZER, "state": STATE, **changes})


def flip_bit(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    path = save(tmp_path, 120)
    assert path == tmp_path / "checkpoints" / "step-000120"
    assert sorted(os.listdir(path)) == ["model.safetensors", "optimizer.safetensors", "state.json"]
    loaded = checkpoint.load(path)
    for saved, read in ((MODEL, loaded.model), (OPTIMIZER, loaded.optimizer)):
        assert saved.keys() == read.keys()
        for name, tensor in saved.items():
            assert tensor.dtype == read[name].dtype
            np.testing.assert_array_equal(tensor, read[name], strict=True)
            assert read[name].flags.writeable
    assert loaded.step == 120
    assert loaded.path == path
    assert STATE.items() <= loaded.state.items()
    assert loaded.state["format"] == 2


def test_a_whole_checkpoint_is_kept_and_a_broken_one_replaced(tmp_path):
    path = save(tmp_path, 1)
    inode = path.stat().st_ino
    assert save(tmp_path, 1, state={"epoch": 99}) == path
    assert path.stat().st_ino == inode
    assert checkpoint.load(path).state["epoch"] == 3
    flip_bit(path / "model.safetensors")
    save(tmp_path, 1, state={"epoch": 99})
    assert checkpoint.load(path).state["epoch"] == 99
    assert os.listdir(tmp_path / "checkpoints") == ["step-000001"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("place", [0, -1])
def test_bit_rot_is_found(tmp_path, name, place):
    path = save(tmp_path, 1)
    flip_bit(path / name, place)
    with pytest.raises(RunError, match=rf"^checkpoint \S+ is broken: {name} was altered"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format": "1", "sha256": {}, "step": 1}',
        b'{"format": 1, "sha256": {}}',
        b'{"format": 1, "sha256": {}, "step": 1}',
        b'{"format": 2, "sha256": {}, "step": 1, "frozen": "../../x"}',
        b'{"format": 2, "sha256": {}, "step": 1, "frozen": 1}',
    ],
)
def test_a_broken_state_is_one_line(tmp_path, content):
    path = save(tmp_path, 1)
    (path / "state.json").write_bytes(content)
    with pytest.raises(checkpoint.BrokenCheckpoint, match=r"^checkpoint [^\n]* is broken: [^\n]*$"):
        checkpoint.load(path)


def test_missing_files_are_named(tmp_path):
    path = save(tmp_path, 1)
    for name in ("optimizer.safetensors", "model.safetensors", "state.json"):
        (path / name).unlink()
        with pytest.raises(RunError, match=rf"{name}: No such file"):
            checkpoint.load(path)


def test_a_newer_format_is_refused_and_never_passed_over(tmp_path):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    state = json.loads((path / "state.json").read_bytes())
    (path / "state.json").write_text(json.dumps({**state, "format": 3}))
    for read in (lambda: checkpoint.load(path), lambda: checkpoint.last_good(tmp_path)):
        with pytest.raises(RunError, match="has format 3, this version reads up to 2; update ft-parity"):
            read()


def test_the_last_good_one_goes_by_step_not_by_time_or_text(tmp_path):
    for step in (1000000, 999999, 20):
        os.utime(save(tmp_path, step), (step, 2e9 - step))
    assert checkpoint.last_good(tmp_path).step == 1000000


def test_a_broken_newest_one_falls_back_loudly(tmp_path):
    save(tmp_path, 1)
    flip_bit(save(tmp_path, 2) / "model.safetensors")
    with pytest.warns(UserWarning, match=r"step-000002 is broken: model.safetensors was altered.*falling back"):
        assert checkpoint.last_good(tmp_path).step == 1


def test_without_checkpoints_there_is_no_last_good_one(tmp_path):
    assert checkpoint.last_good(tmp_path) is None
    (tmp_path / "checkpoints" / "step-12").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-000012-copy").mkdir()
    assert checkpoint.last_good(tmp_path) is None


def test_pointers(tmp_path):
    assert checkpoint.pointed(tmp_path, "best") is None
    path = save(tmp_path, 3)
    checkpoint.point(tmp_path, "best", 3)
    checkpoint.point(tmp_path, "last", 4)
    assert checkpoint.pointed(tmp_path, "best") == path
    assert checkpoint.pointed(tmp_path, "last") is None
    for content in ("", "[1]", '{"step": "x"}', '{"step": null}'):
        (tmp_path / "checkpoints" / "best.json").write_text(content)
        with pytest.raises(RunError, match=r"best\.json: .*expected"):
            checkpoint.pointed(tmp_path, "best")


def test_prune_keeps_what_it_is_told(tmp_path):
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    flip_bit(tmp_path / "checkpoints" / "step-000002" / "state.json", 0)
    checkpoint.point(tmp_path, "last", 4)
    checkpoint.prune(tmp_path, {1, 4, 9})
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["last.json", "step-000001", "step-000004"]


def test_what_stands_still_is_written_once_and_comes_back(tmp_path):
    frozen = {name: MODEL[name] for name in ("transposed", "empty")}
    rest = {name: x for name, x in MODEL.items() if name not in frozen}
    paths = []
    for step in (1, 2):
        shared = checkpoint.save_frozen(tmp_path, frozen)
        files = copies(tmp_path)
        written = [file.stat().st_ino for file in files]
        paths.append(save(tmp_path, step, model=rest, frozen=shared))
    assert [file.stat().st_ino for file in files] == written
    assert [file.name for file in files] == [f"frozen-{shared[:16]}-{copy}.safetensors" for copy in "ab"]
    assert all(checkpoint.sha256_of(file) == shared for file in files)
    for path in paths:
        loaded = checkpoint.load(path).model
        assert loaded.keys() == MODEL.keys()
        for name, tensor in MODEL.items():
            np.testing.assert_array_equal(loaded[name], tensor, strict=True)
    assert checkpoint.save_frozen(tmp_path, {}) is None


def test_a_copy_takes_the_place_of_what_was_altered_or_lost(tmp_path):
    path = save(tmp_path, 1, frozen=checkpoint.save_frozen(tmp_path, {"f": np.arange(5.0)}))
    first, copy = copies(tmp_path)
    for harm in (flip_bit, os.remove):
        harm(first)
        with pytest.warns(UserWarning, match=rf"{first.name}.*its copy {copy.name} takes its place"):
            np.testing.assert_array_equal(checkpoint.load(path).model["f"], np.arange(5.0))
        checkpoint.save_frozen(tmp_path, {"f": np.arange(5.0)})
        assert first.read_bytes() == copy.read_bytes()
    flip_bit(first)
    flip_bit(copy)
    with pytest.raises(checkpoint.BrokenCheckpoint, match=f"{copy.name} was altered"):
        checkpoint.load(path)


def test_what_is_shared_goes_with_the_last_that_needs_it(tmp_path):
    for step in (1, 2, 3):
        frozen = {"f": np.arange(5.0) + step // 2}
        save(tmp_path, step, frozen=checkpoint.save_frozen(tmp_path, frozen))
    assert len(copies(tmp_path)) == 4
    flip_bit(tmp_path / "checkpoints/step-000003/state.json", 0)
    checkpoint.prune(tmp_path, {2, 3})  # nobody knows what step 3 needs
    assert len(copies(tmp_path)) == 4
    checkpoint.prune(tmp_path, {2})
    assert len(copies(tmp_path)) == 2
    assert checkpoint.last_good(tmp_path).step == 2


def copies(folder):
    return sorted((folder / "checkpoints").glob("frozen-*"))


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match=r"step-000002: No space left on device \(\d+ bytes needed.*free some space"):
        save(tmp_path, 2)
    monkeypatch.undo()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(RunError, match=r"step-000002: File too large \(\d+ bytes needed"):
            save(tmp_path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path / "checkpoints") == ["step-000001"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from ft.runs import checkpoint
from ft.weights import safetensors_file

events = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree")
armed, left, fsync = False, 0, os.fsync

def count(event, *_):
    global left
    if armed and event in events:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def counted_fsync(descriptor):
    count("open")
    fsync(descriptor)

os.fsync = counted_fsync
sys.addaudithook(lambda event, arguments: count(event))

def work(folder):
    x = {"w": np.full(3, 2.0)}
    checkpoint.save(folder, step=2, model=x, optimizer=x, state={})
    checkpoint.point(folder, "last", 2)
    checkpoint.prune(folder, {2})

for n in range(1, 200):
    folder = Path(sys.argv[1], str(n))
    x = {"w": np.full(3, 1.0)}
    checkpoint.save(folder, step=1, model=x, optimizer=x, state={})
    checkpoint.point(folder, "last", 1)
    child = os.fork()
    if child == 0:
        left, armed = n, True
        work(folder)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
print(n)
"""


def test_killed_at_any_moment_a_run_has_a_whole_checkpoint(tmp_path):
    ran = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=True)
    kills = int(ran.stdout)
    assert kills > 20
    steps = []
    for n in range(1, kills + 1):
        folder = tmp_path / str(n)
        assert all(checkpoint.is_whole(path) for path in checkpoint.steps(folder).values())
        last = checkpoint.last_good(folder)
        assert last is not None
        np.testing.assert_array_equal(last.model["w"], np.full(3, float(last.step)))
        assert checkpoint.pointed(folder, "last") is not None or last.step == 2
        assert not [name for name in os.listdir(folder / "checkpoints") if name.startswith(".tmp-")]
        steps.append(last.step)
    assert steps == sorted(steps)
    assert set(steps) == {1, 2}
