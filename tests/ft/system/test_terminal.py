"""Names come from strangers: none of them reaches a terminal with its escape codes, in any command or progress line."""

import io
import re
import sys

import numpy as np
import pytest

from ft.cli import dispatch as cli
from ft.features.file import Header, features_folder
from ft.system import progress
from ft.system.progress import Progress, SafeStream, counting, download_bar
from tests.ft.report.test_comparison import write_trace

EVIL = "a\x1b[31mb\x1b]0;title\x07\x9b2Jc\rd"
NET = ["--model", "resnet18", "--weights", "none", "--image-size", "16", "--batch-size", "4", "--workers", "0"]


@pytest.fixture
def here(tmp_path, monkeypatch, fake_wing, write_images):
    """Work in a folder with images in classes, and files of evil names, and a file of features."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "cache"))
    root = write_images(EVIL, classes=(f"cat{EVIL}", f"dog{EVIL}"))
    for path in root.rglob("0.png"):
        path.rename(path.with_name(f"{EVIL}.png"))
    (root / f"cat{EVIL}" / f"{EVIL}.txt").write_text("no image")
    write_trace(tmp_path / f"x{EVIL}", "torch")
    write_trace(tmp_path / f"y{EVIL}", "tf", off=1.0)
    features_folder(None).mkdir(parents=True)
    lie = Header("0" * 64, EVIL, "0" * 64, np.dtype("f4"), (1, 2))
    (features_folder(None) / f"features-{'0' * 32}.safetensors").write_bytes(lie.encode() + bytes(8))
    return tmp_path


def commands(data, image):
    """Return every command at work, or refusing, with evil names wherever it takes one."""
    return [
        (0, ["train", *NET, "--data", data, "--out", f"1{EVIL}", "--epochs", "2", "--cache", "disk"]),
        (0, ["train", *NET, "--data", data, "--out", f"2{EVIL}", "--epochs", "2", "--name", EVIL, "--cache", "disk"]),
        (0, ["train", "--resume", f"1{EVIL}", "--epochs", "3"]),
        (2, ["train", "--resume", f"1{EVIL}", "--epochs", "3"]),
        (2, ["train", *NET, "--data", data, "--out", f"1{EVIL}"]),
        (2, ["train", *NET, "--data", data, f"--{EVIL}"]),
        (2, ["launch", "--processes", "2", "--resume", f"no{EVIL}"]),
        (0, ["evaluate", f"1{EVIL}"]),
        (0, ["predict", f"1{EVIL}", image]),
        (0, ["report", f"1{EVIL}"]),
        (0, ["compare", f"1{EVIL}", f"2{EVIL}"]),
        (0, ["compare", f"2{EVIL}", f"2{EVIL}"]),
        (1, ["compare", f"x{EVIL}", f"y{EVIL}"]),
        (0, ["data", "check", data, "--html", f"{EVIL}.html"]),
        (0, ["lr-find", *NET, "--data", data, "--out", f"lr{EVIL}", "--lr-steps", "3"]),
        (0, ["cache", "--cache-dir", "cache"]),
        (0, ["cache", "clear", "--cache-dir", "cache"]),
        (0, ["convert", f"1{EVIL}", f"{EVIL}.safetensors"]),
        (2, ["export", f"1{EVIL}", "--format", EVIL]),
        (2, ["trace", *NET, "--data", f"no{EVIL}", "--out", f"trace{EVIL}"]),
        (2, ["differences", EVIL]),
        (2, ["bench", "--data", f"no{EVIL}"]),
        (2, ["models", "show", EVIL]),
        (2, [EVIL]),
    ]


def unfit(text):
    """Return the characters of a text that are neither printable nor the end of a line."""
    return sorted({c for c in text if not c.isprintable() and c != "\n"})


@pytest.mark.parametrize("filtered", [True, False], ids=["at the stream", "where the line is made"])
def test_every_command_escapes_names(here, monkeypatch, capsys, filtered):
    if not filtered:  # each place on its own, as a colour on a terminal would pass
        monkeypatch.setattr(progress, "CONTROLS", re.compile("(?!)"))
    image, seen = str(here / EVIL / f"cat{EVIL}" / f"{EVIL}.png"), set()
    for code, words in commands(str(here / EVIL), image):
        monkeypatch.setattr(sys, "argv", ["ft", *words])
        got, (out, err) = cli.main(), capsys.readouterr()
        if words[0] == "convert" and not filtered:  # which leaves it to the stream
            out = ""
        assert (got, unfit(out + err)) == (code, []), (words, out, err)
        seen.add(words[0])
    assert seen - {EVIL} == set(cli.COMMANDS)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_every_progress_line_escapes_names(kind):
    out = kind()
    with Progress(2, 3, stream=out) as shown:
        shown.note(f"note {EVIL}")
        with shown.counting(f"counting {EVIL}", 3) as count:
            count(3)
    with download_bar(EVIL, stream=out) as report, counting(EVIL, 2, stream=out) as count:
        report(1, 2)
        count(2)
    assert not re.search(r"\x1b\]|\x07|\x9b|\x1b\[31mb|c\rd", out.getvalue())
    assert "title" in out.getvalue()


def test_what_is_printed_keeps_colours_on_a_terminal_only():
    for kind, shown in ((Terminal, "\x1b[31mred\x1b[0m"), (io.StringIO, r"\x1b[31mred\x1b[0m")):
        out = kind()
        SafeStream(out, plain=True).write("\x1b[31mred\x1b[0m\t\x1b[2J\x1b]0;x\x07\n")
        assert out.getvalue() == shown + "\t\\x1b[2J\\x1b]0;x\\x07\n"
