"""Training commands in this process, in an empty folder without a network."""

import pytest

from ft.cli.train import train_command

NET = ["--model", "resnet18", "--weights", "none", "--image-size", "16", "--epochs", "2", "--batch-size", "4"]
NET += ["--workers", "0", "--quiet"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder with an empty cache and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


@pytest.fixture
def train(here, fake_wing, capsys):
    """Run a training command in this process and return exit code, stdout and the lines of stderr."""

    def train(*arguments, net=NET, backend="torch"):
        code = train_command([*net, *map(str, arguments)], backend=backend)
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return train


@pytest.fixture
def refused(train, here):
    """Assert that a training command is refused in one line, with these words, and leaves no run folder behind."""

    def refused(*arguments, words, out="out", **options):
        before = sorted(here.rglob("*"))
        code, printed, lines = train(*arguments, "--out", out, **options)
        assert (code, printed, len(lines)) == (2, "", 1), lines
        assert lines[0].startswith("error: ")
        for word in words:
            assert word in lines[0]
        after = [path for path in here.rglob("*") if path.name not in ("cache", "weights") and path.suffix != ".lock"]
        assert sorted(after) == before

    return refused
