"""Durable files: whole or not at all, with the user's permissions, and errors that say what to do."""

import errno
import fcntl
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ft.errors import RunError
from ft.system import files


@pytest.fixture
def calls(monkeypatch):
    """Record the order of fsync and rename, by the kind of what is synced."""
    seen = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def record_fsync(descriptor):
        seen.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append("rename"), replace(a, b)))
    monkeypatch.setattr(os, "rename", lambda a, b: (seen.append("rename"), rename(a, b)))
    return seen


def test_a_file_is_synced_renamed_and_its_folder_synced(tmp_path, calls):
    files.write_bytes(tmp_path / "a", b"new")
    assert calls == ["sync file", "rename", "sync folder"]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_wholly_synced_before_the_rename_commits_it(tmp_path, calls):
    with files.publishing(tmp_path / "target") as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep" / "x").write_bytes(b"x")
        (temporary / "y").write_bytes(b"y")
        assert not (tmp_path / "target").exists()
    assert calls == ["sync file", "sync folder", "sync file", "sync folder", "rename", "sync folder"]
    assert (tmp_path / "target" / "deep" / "x").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "ending"), [("w.weights.h5", ".weights.h5"), ("step-000120", ""), (f"x.{200 * 'y'}.pth", "yyy.pth")]
)
def test_a_temporary_name_is_short_and_ends_as_the_target(tmp_path, name, ending):
    with files.publishing(tmp_path / name) as temporary:
        temporary.mkdir()
        assert temporary.name.endswith(ending)
        assert len(temporary.name) < 40
    with files.publishing(tmp_path / name) as temporary:  # in the old one's place
        temporary.mkdir()
        (temporary / "new").touch()
    assert os.listdir(tmp_path) == [name]
    assert os.listdir(tmp_path / name) == ["new"]


def test_a_disk_s_error_is_told_by_whom_it_was_hidden(tmp_path):
    hidden = RuntimeError("unexpected pos 64 vs 0")
    hidden.__context__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RunError, match=r"^cannot write \S+/a: No space left .*choose another OUT$"):
        publish(tmp_path / "a", hidden)


def publish(target, error=None):
    with files.publishing(target, flag="OUT") as temporary:
        temporary.mkdir()
        (temporary / "x").write_bytes(b"x")
        if error:
            raise error


def test_what_fails_half_way_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(
        RunError, match=r"^cannot write \S+/a: No space left on device \(3 bytes needed, \d+ free\); "
    ) as e:
        files.write_bytes(tmp_path / "a", b"new")
    assert e.value.__cause__.errno == errno.ENOSPC
    with pytest.raises(RunError, match="free some space"):
        publish(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_limit_of_the_file_size_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(RunError, match=r"File too large \(5000 bytes needed.*ulimit -f"):
            files.write_bytes(tmp_path / "a", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_impossible_place_is_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "no" / "folder", tmp_path / "file" / "x", tmp_path):
        with pytest.raises(RunError, match=r"^cannot write [^\n]*; [^\n]*--out$"):
            files.write_bytes(place, b"")


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "a", b"")
        with files.publishing(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / "x").write_bytes(b"")
            (temporary / "x").chmod(0o600)  # as safetensors leaves its files
    finally:
        os.umask(before)
    for path in (tmp_path / "a", tmp_path / "folder" / "x"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_json_has_plain_values_and_no_word_for_nan(tmp_path):
    value = {
        "a": np.float64(0.1),
        "b": np.arange(3),
        "c": (1, np.int64(2)),
        "d": float("nan"),
        "e": -np.inf,
        "f": "é\udc80",
    }
    files.write_json(tmp_path / "a.json", value)
    read = json.loads((tmp_path / "a.json").read_bytes(), parse_constant=pytest.fail)
    assert read == {"a": 0.1, "b": [0, 1, 2], "c": [1, 2], "d": None, "e": None, "f": "é\udc80"}


def test_text_is_utf8_even_for_stray_bytes(tmp_path):
    files.write_text(tmp_path / "a", "é\udc80")
    assert (tmp_path / "a").read_text("utf-8") == "é\\udc80"


def test_sweep_removes_leftovers_only(tmp_path):
    (tmp_path / ".tmp-1").mkdir()
    (tmp_path / ".tmp-1" / "x").write_bytes(b"")
    (tmp_path / ".tmp-2").write_bytes(b"")
    (tmp_path / "step-000001").mkdir()
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["step-000001"]


def test_the_lock_keeps_a_second_process_out_and_goes_with_the_first(tmp_path):
    take = f"from pathlib import Path; from ft.system import files; files.lock(Path({str(tmp_path)!r})).__enter__()"
    with files.lock(tmp_path):
        second = subprocess.run([sys.executable, "-c", take], capture_output=True, text=True)
        assert "RunError: another process is writing to" in second.stderr
        with pytest.raises(RunError, match="another process"), files.lock(tmp_path):
            pass
    third = subprocess.run([sys.executable, "-c", take + "; import os; os.kill(os.getpid(), 9)"], capture_output=True)
    assert third.returncode == -9
    with files.lock(tmp_path):
        pass


def test_a_lock_whose_holder_removed_it_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    folder, flock = tmp_path / "out", fcntl.flock

    def late(descriptor, how):
        if not os.path.exists(tmp_path / "once"):
            (tmp_path / "once").touch()
            shutil.rmtree(folder)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with files.lock(folder, make=True) as hold:
        assert hold.stands()
        with pytest.raises(RunError, match="another process"), files.lock(folder):
            pass


def test_import_is_quick():
    names = "system.files runs.checkpoint runs.folder metrics.accuracy training.schedule report.plots "
    names += "system.progress api.side_by_side"
    code = f"import sys\nfor n in {names.split()}: __import__('ft.' + n)\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ft.api.side_by_side" in loaded
    assert not {"rich", "matplotlib", "PIL", "safetensors", "ml_dtypes", "torch", "tensorflow", "yaml"} & set(loaded)


def test_a_folder_that_another_process_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    mkdir, tries = Path.mkdir, []

    def raced(place, *arguments, **keywords):
        tries.append(place)
        if len(tries) == 1:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        mkdir(place, *arguments, **keywords)

    monkeypatch.setattr(Path, "mkdir", raced)
    files.make_folder(tmp_path / "out")
    assert tries == [tmp_path / "out"] * 2
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("make", [Path.touch, lambda place: place.symlink_to("nowhere")])
def test_a_folder_is_not_made_where_something_else_stands(tmp_path, make):
    make(tmp_path / "out")
    with pytest.raises(FileExistsError):
        files.make_one(tmp_path / "out")
