"""A run finds its data by what it is, from any working folder and wherever it was moved."""

import json
import shutil

import pytest

import ft
from ft.cli.train import train_command
from ft.errors import DataError, RunError
from ft.system import files

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "quiet": True}
NET |= {"lr": 0.5, "precision": "float64"}


@pytest.fixture
def project(fake_wing, write_images, tmp_path, monkeypatch):
    """Train one epoch on a relative path in tmp_path/here; return that folder, which is the working one."""
    (tmp_path / "here").mkdir()
    write_images().rename(tmp_path / "here" / "pets")
    monkeypatch.chdir(tmp_path / "here")
    ft.finetune(**NET, data="pets", out="runs/a", epochs=1)
    return tmp_path / "here"


def test_from_another_working_folder(project, tmp_path, monkeypatch):
    run = ft.Run(project / "runs/a")
    assert run.result["data"]["path"] == str(project / "pets")
    assert run.recipe.data == "pets"
    before = run.metrics
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets/emu").mkdir(parents=True)  # other data of that name lies here
    assert ft.Run(project / "runs/a").evaluate() == before
    report = (project / "runs/a/report.html").read_bytes()
    assert ft.Run(project / "runs/a").write_report().read_bytes() == report
    resumed = ft.finetune(resume=project / "runs/a", epochs=2, quiet=True)
    assert resumed.result["data"] == run.result["data"]


def test_with_its_project_on_another_machine(project, tmp_path, monkeypatch):
    before = ft.Run(project / "runs/a").metrics
    project.rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    assert ft.Run(tmp_path / "there/runs/a").evaluate() == before
    (tmp_path / "there/pets").rename(tmp_path / "beasts")
    run = ft.Run(tmp_path / "there/runs/a")
    with pytest.raises(
        DataError, match=r"'pets' does not exist, nor is it .*here/pets, .*say where it is now with --data"
    ):
        run.evaluate()
    with pytest.raises(DataError, match="say where it is now with --data DIR"):
        ft.finetune(resume=run.folder, epochs=2, quiet=True)
    assert run.evaluate("beasts") == before, "its own images are those that it validated on"
    resumed = ft.finetune(resume=run.folder, epochs=2, data=str(tmp_path / "beasts"), quiet=True)
    assert resumed.result["data"]["path"] == str(tmp_path / "beasts")


def test_what_differs_is_refused_and_may_be_allowed(project, write_images, tmp_path):
    other = write_images("other", count=9)
    with pytest.raises(RunError, match=r"12 \+ 4 images then, 14 \+ 4 now.*--allow-data-change"):
        ft.finetune(resume="runs/a", epochs=2, data=str(other), quiet=True)
    again = ["--resume", "runs/a", "--epochs", "2", "--data", str(other), "--quiet"]
    assert train_command([*again, "--allow-data-change"], backend="torch") == 0
    shutil.copy("pets/cat/0.png", other / "cat/more.png")
    with pytest.raises(RunError, match=r"14 \+ 4 images then, 15 \+ 4 now.*pass --data DIR for other images"):
        ft.Run("runs/a").evaluate()


def test_runs_of_before_there_was_a_path(project):
    for path in (project / "runs/a/model.json", *project.glob("runs/a/checkpoints/step-*/state.json")):
        record = json.loads(path.read_text())
        del record["data"]["path"]
        files.write_json(path, record)
    assert ft.Run("runs/a").evaluate() == ft.Run("runs/a").metrics
    assert ft.finetune(resume="runs/a", epochs=2, quiet=True).result["data"]["path"] == str(project / "pets")
