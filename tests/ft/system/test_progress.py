"""Progress: lines in a pipe, a bar on a terminal, silence where nobody can listen, and never a crash."""

import io
import os
import pty
import subprocess
import sys
import threading

import pytest

from ft.system.progress import Progress, SafeStream, download_bar, epoch_line

ROW = {"epoch": 3, "loss": 0.81234, "val_loss": 0.70111, "top1": 0.861, "images_per_second": 1234.4}
LINE = "epoch  3/20  loss 0.8123  val loss 0.7011  top1 0.861  1234 images/s"

TRAINING = """
import sys
from ft.system.progress import Progress, download_bar
with download_bar("weights.safetensors") as report:
    report(500, None)
    report(1000, 1000)
with Progress(2, 3, told=["top1"]) as progress:
    for epoch in (1, 2):
        for step in range(3):
            progress.step(32, 0.5 if step else None)
        progress.note("note [bold]1[/bold]")
        progress.end_epoch({"epoch": epoch, "loss": 0.5, "val_loss": 0.4, "top1": 0.9, "images_per_second": 100})
open(sys.argv[1], "w").write("done")
"""


# Streams as users have them: unbuffered ones would hide what a last buffer does at exit.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_of_an_epoch():
    assert epoch_line(ROW, 20, ["top1"]) == LINE
    assert epoch_line({"epoch": 1, "loss": float("nan"), "val_loss": None}, 3, ["top1"]) == "epoch 1/3  loss nan"


def test_in_a_pipe_one_line_an_epoch_and_nothing_between():
    out = io.StringIO()
    with Progress(20, 5, told=["top1"], stream=out) as progress:
        for _ in range(5):
            progress.step(32, 1.0)
        assert out.getvalue() == ""
        progress.note("loaded [imagenet]")
        progress.end_epoch(ROW)
    assert out.getvalue() == f"loaded [imagenet]\n{LINE}\n"


def test_the_default_is_stderr(capsys):
    Progress(20, 5, told=["top1"]).end_epoch(ROW)
    assert capsys.readouterr() == ("", LINE + "\n")


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_quiet_says_nothing(kind):
    out = kind()
    with Progress(20, 5, quiet=True, stream=out) as progress, download_bar("x", quiet=True, stream=out) as report:
        report(1, 2)
        progress.step(32, 1.0)
        progress.note("note")
        progress.end_epoch(ROW)
    assert out.getvalue() == ""


def test_a_download_in_a_pipe_is_one_line():
    out = io.StringIO()
    with download_bar("weights.safetensors", stream=out) as report:
        report(1, None)
        report(2, 2)
    assert out.getvalue() == "downloading weights.safetensors\n"


RESUMED = """
from ft.system.progress import Progress
with Progress(9, 3, done=13) as progress:
    progress.step(32, 0.5)
    progress.step(32, 0.5)
"""


def on_a_terminal(code, *arguments):
    """Run Python with a terminal as stderr and return what a person would get, and the exit code."""
    ours, theirs = pty.openpty()
    shown = []

    def listen():
        try:
            while data := os.read(ours, 4096):
                shown.append(data)
        except OSError:  # Linux says EIO when the other end is closed
            pass

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=theirs, stdout=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    listener = threading.Thread(target=listen)
    listener.start()
    stdout, _ = process.communicate()
    listener.join()
    os.close(ours)
    return b"".join(shown).decode(), stdout, process.returncode


def test_on_a_terminal_a_bar_comes_and_goes(tmp_path):
    shown, stdout, code = on_a_terminal(TRAINING, tmp_path / "end")
    assert (code, stdout) == (0, b"")
    texts = (
        "weights.safetensors",
        "1.0/1.0 kB",
        "epoch 1/2",
        "epoch 2/2",
        "3/3",
        "images/s",
        "loss 0.5000",
        "left",
        "note [bold]1[/bold]",
        "epoch 2/2  loss 0.5000  val loss 0.4000  top1 0.900  100 images/s",
    )
    assert [text for text in texts if text not in shown] == []
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0  # the cursor comes back
    end = shown[shown.index("epoch 2/2  loss") :]
    assert "3/3" not in end  # the bar of an epoch is gone before its line is there


def test_a_resumed_run_goes_on_counting():
    shown, _, code = on_a_terminal(RESUMED)
    assert code == 0
    assert "epoch 5/9" in shown
    assert "3/3" in shown
    assert "epoch 1/9" not in shown


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "2>/dev/full", "2>&1 | true", "2>&1 >/dev/full"])
def test_broken_streams_end_nothing(tmp_path, streams):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    command = f"set -o pipefail; {sys.executable} {script} {tmp_path / 'end'} {streams}"
    ran = subprocess.run(["bash", "-c", command], cwd=os.getcwd(), env={**BUFFERED, "PYTHONPATH": os.getcwd()})
    assert ran.returncode == 0
    assert (tmp_path / "end").read_text() == "done"


def test_a_reader_that_hangs_up_ends_nothing(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run([sys.executable, "-c", TRAINING, tmp_path / "end"], stderr=writer, env=BUFFERED)
    os.close(writer)
    assert ran.returncode == 0
    assert (tmp_path / "end").read_text() == "done"


def test_lines_stand_above_a_count():
    out = Terminal()
    with Progress(2, 3, stream=out) as progress:
        with progress.counting("computing the features of", 64) as count:
            progress.note("they go to a file")
            count(64)
        progress.step(32)
    assert "\r\x1b[2Kthey go to a file\n" in out.getvalue()  # the bar was wiped off before
    assert "64/64" in out.getvalue()


def test_a_terminal_that_goes_away_ends_nothing():
    class Gone(Terminal):
        def write(self, text):
            raise OSError(5, "Input/output error")

    with Progress(20, 2, stream=Gone()) as progress:
        progress.step(32, 1.0)
        progress.end_epoch(ROW)
        progress.note("note")
    with download_bar("x", stream=Gone()) as report:
        report(1, 2)


def test_a_safe_stream_escapes_what_it_cannot_encode_and_survives_its_end():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    safe = SafeStream(stream)
    assert safe.write("é\udc80\n") == 3
    safe.flush()
    assert raw.getvalue() == b"\\xe9\\udc80\n"
    stream.close()
    safe.write("more")
    safe.flush()
    assert safe.isatty() is False
    safe.close()
    SafeStream(None).write("nobody")
