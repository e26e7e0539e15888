"""Saving beside the training: nobody waits for the disk, no error is lost, no array changes on its way."""

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from ft.errors import RunError
from ft.runs import checkpoint
from ft.runs.saving import Saver, Snapshot

X = {"w": np.arange(4.0)}
LOG = SimpleNamespace(sync=lambda: None)


def begin(saver, step, *, best=False, keep=()):
    saver.save(Snapshot(step=step, model=X, frozen={}, optimizer=X, state={}, best=best, keep=frozenset(keep)))


def test_saving_does_not_wait_for_the_disk_but_the_next_save_does(tmp_path, monkeypatch):
    disk, fsync = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (disk.wait(60), fsync(descriptor)))
    with Saver(tmp_path, LOG) as saver:
        begin(saver, 1)
        assert checkpoint.steps(tmp_path) == {}
        threading.Timer(0.05, disk.set).start()
        begin(saver, 2)
        assert checkpoint.steps(tmp_path)  # 1, or 2 already, which was saved behind it and lets it go
    assert list(checkpoint.steps(tmp_path)) == [2]


def test_what_is_neither_last_nor_best_nor_to_be_kept_goes(tmp_path):
    with Saver(tmp_path, LOG) as saver:
        for step in (1, 2, 3, 4, 5):
            begin(saver, step, best=step == 2, keep={3})
    assert sorted(checkpoint.steps(tmp_path)) == [2, 3, 5]
    assert [checkpoint.pointed(tmp_path, name).name for name in ("best", "last")] == ["step-000002", "step-000005"]


def test_the_log_is_on_the_disk_before_the_checkpoint(tmp_path):
    seen = []
    with Saver(tmp_path, SimpleNamespace(sync=lambda: seen.append(checkpoint.steps(tmp_path)))) as saver:
        begin(saver, 1)
    assert seen == [{}]


@pytest.fixture
def full_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))


@pytest.mark.parametrize("then", [lambda saver: begin(saver, 2), Saver.wait, lambda saver: None])
def test_a_full_disk_is_told_at_the_latest_when_the_training_ends(tmp_path, full_disk, then):
    def train():
        with Saver(tmp_path, LOG) as saver:
            begin(saver, 1)
            then(saver)

    with pytest.raises(RunError, match="No space left on device"):
        train()


def test_what_ended_the_training_is_told_rather_than_a_full_disk(tmp_path, full_disk):
    def train():
        with Saver(tmp_path, LOG) as saver:
            begin(saver, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
