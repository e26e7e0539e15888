"""What somebody else does to a run's folder while it writes there: noticed at the next save, and no work is lost."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import pytest

import ft
from ft.runs import checkpoint, saving
from ft.runs.folder import read_log
from ft.system.signals import Interrupted

STEPS = 3  # an epoch: 12 training images
NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "freeze": "stem"}


@pytest.fixture
def tune(fake_wing, write_images, tmp_path, monkeypatch):
    """Train three epochs in tmp_path/out, with `act(out)` before a step; return the steps that its log holds."""
    data, out, saved = str(write_images()), tmp_path / "out", []
    monkeypatch.setattr("ft.api.result.plot_curves", lambda *_, **__: None)

    class Pool(ThreadPoolExecutor):
        def submit(self, *given):
            saved.append(super().submit(*given))
            return saved[-1]

    monkeypatch.setattr(saving, "ThreadPoolExecutor", Pool)

    def tune(act, at=(4,), **how):
        def before_step(step):
            if step in at:
                wait(saved)  # of the epoch before
                act(out)

        monkeypatch.setattr(fake_wing, "before_step", staticmethod(before_step))
        run = ft.finetune(**(how or {**NET, "data": data, "out": out, "epochs": 3}))
        return [row["step"] for row in read_log(run.folder) if "lr" in row]

    return tune


def replace(path):
    """Put another file in the place of one."""
    path.with_suffix(".new").write_text("")
    os.replace(path.with_suffix(".new"), path)


def stop(_):
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("change", [Path.unlink, replace])
def test_a_log_that_vanished_is_written_again_and_said(tune, tmp_path, capsys, change):
    assert tune(lambda out: change(out / "log.jsonl")) == list(range(1, 3 * STEPS + 1))
    assert capsys.readouterr().err.count("log.jsonl was removed or replaced while this run wrote to it") == 1


@pytest.mark.parametrize("change", [lambda out: (out / "log.jsonl").unlink(), lambda out: (out / ".lock").unlink()])
def test_a_stopped_run_keeps_its_checkpoints_whatever_is_missing(tune, tmp_path, change):
    with pytest.raises(Interrupted):
        tune(lambda out: (change(out), stop(out)))
    assert checkpoint.last_good(tmp_path / "out").step == 5
    assert tune(stop, at=(), resume=tmp_path / "out") == list(range(1, 3 * STEPS + 1))


def test_a_run_that_was_stopped_before_a_save_keeps_its_folder_with_what_is_in_it(tune, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ft.RunError("the disk is full")

    monkeypatch.setattr(checkpoint, "save", refuse)
    with pytest.raises(ft.RunError, match="the disk is full"):
        tune(lambda out: (out / "log.jsonl").unlink(), at=(1,))
    assert (tmp_path / "out/recipe.yaml").exists()


def test_a_lock_that_was_removed_is_held_again(tune, tmp_path, capsys):
    acts = [lambda out: (out / ".lock").unlink()]

    def unlink_then_try(out):
        if acts:
            return acts.pop()(out)
        with pytest.raises(ft.RunError, match="another process is writing"):
            return ft.finetune(resume=out)

    assert len(tune(unlink_then_try, at=(4, 7))) == 3 * STEPS
    assert "out/.lock was removed while this run wrote to its folder; it is held again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda out: replace(out / ".lock"),
        lambda out: out.rename(out.parent / "moved"),
        lambda out: (out.rename(out.parent / "moved"), out.mkdir()),
        shutil.rmtree,
    ],
)
def test_a_folder_in_other_hands_is_left_alone(tune, tmp_path, change):
    left = []
    with pytest.raises(ft.RunError, match="was moved, removed or replaced while this run wrote to it; nothing more"):
        tune(lambda out: (change(out), left.extend(sorted(tmp_path.rglob("*")))))
    assert sorted(tmp_path.rglob("*")) == left
    with suppress(FileNotFoundError):
        assert checkpoint.last_good((tmp_path / "moved").resolve(strict=True)).step == STEPS


def test_what_checkpoints_share_is_written_again_where_it_vanished(tune, tmp_path):
    def lose(out):
        for path in (out / "checkpoints").glob("frozen-*"):
            path.unlink()

    tune(lose)
    assert checkpoint.last_good(tmp_path / "out").step == 3 * STEPS
