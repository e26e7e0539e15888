"""A stranger's run in which links lead out of its folder: refused, and nothing out there is read, made or removed."""

import os
import shutil

import pytest

import ft
from ft.cli.train import train_command
from ft.errors import RunError
from ft.runs import checkpoint

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "freeze": "stem"}


@pytest.fixture
def run(fake_wing, write_images, tmp_path, monkeypatch):
    """Train one epoch and return the run's folder; beside it lies `outside`, with what a run would sweep or prune."""
    monkeypatch.setattr("ft.api.result.plot_curves", lambda *_, **__: None)
    ft.finetune(**NET, data=str(write_images()), epochs=1, out=tmp_path / "run", quiet=True)
    for name in (".tmp-mine", "step-000001", "step-000003"):
        (tmp_path / "outside" / name).mkdir(parents=True)
        (tmp_path / "outside" / name / "thesis").write_text("years of work")
    return tmp_path / "run"


def moved(path, outside):
    """Move a path out of the run and leave a link to it."""
    target = outside / path.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(path, target)
    path.symlink_to(target)


def to_the_outside(path, outside):
    """Put a link to the stranger's prey in the place of a folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.symlink_to(outside)


CHECKPOINT = "checkpoints/step-000003"
LINKS = {
    "checkpoints": to_the_outside,
    CHECKPOINT: moved,
    f"{CHECKPOINT}/state.json": moved,
    f"{CHECKPOINT}/optimizer.safetensors": moved,
    "checkpoints/step-000001": to_the_outside,
    "checkpoints/last.json": moved,
    "log.jsonl": moved,
    "recipe.yaml": moved,
}


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", LINKS)
def test_links_out_of_a_run_are_refused(run, tmp_path, capsys, name):
    LINKS[name](run / name, tmp_path / "outside")
    before = contents(tmp_path / "outside")
    assert train_command(["--resume", str(run), "--epochs", "2", "--quiet"], backend="torch") == 2
    said = capsys.readouterr().err
    assert "leads out of" in said or "not the folder of a run" in said, said
    assert said.count("\n") == 1
    assert contents(tmp_path / "outside") == before


def test_a_lock_that_is_a_link_makes_nothing(run, tmp_path):
    (run / ".lock").unlink()
    (run / ".lock").symlink_to(tmp_path / "made")
    for how in ({"resume": run, "epochs": 2}, {"out": run, **NET, "data": str(tmp_path / "pets")}):
        with pytest.raises(RunError, match=r"\.lock is a link, expected a file of the run's own; remove it"):
            ft.finetune(**how)
    assert not (tmp_path / "made").exists()


def test_what_is_no_regular_file_does_not_hang(run):
    os.remove(run / CHECKPOINT / "state.json")
    os.mkfifo(run / CHECKPOINT / "state.json")
    with pytest.raises(RunError, match="is no regular file, expected one that a run wrote"):
        ft.finetune(resume=run, epochs=2)


def test_every_removal_looks_first(run, tmp_path):
    to_the_outside(run / "checkpoints", tmp_path / "outside")
    before = contents(tmp_path / "outside")
    for act in (lambda: checkpoint.prune(run, set()), lambda: checkpoint.last_good(run), lambda: checkpoint.steps(run)):
        with pytest.raises(RunError, match="checkpoints is a link that leads out of"):
            act()
    assert contents(tmp_path / "outside") == before


def test_a_run_may_itself_be_reached_by_a_link(run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    assert ft.finetune(resume=tmp_path / "link", epochs=2, quiet=True).result["epoch"] == 2
