"""Ctrl-C and SIGTERM: the step at hand is saved, and the run goes on to the very weights it would have had."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ft.cli.train import train_command
from ft.runs import checkpoint
from ft.system.signals import stop_requests
from ft.weights import read_safetensors
from tests.oracle import needs_torch

pytestmark = needs_torch  # the commands look for the framework that they name
ROOT = Path(__file__).parents[3]
AGAIN = "again to quit now\n"
HUB = [
    "--model",
    "resnet18",
    "--weights",
    "none",
    "--image-size",
    "16",
    "--epochs",
    "3",
    "--batch-size",
    "4",
    "--workers",
    "0",
    "--quiet",
]


def test_a_signal_is_noted_and_the_handlers_come_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        with stop_requests() as stop:
            assert stop.number is None
            os.kill(os.getpid(), number)
            assert stop.number == number
        assert {n: signal.getsignal(n) for n in before} == before


def test_another_thread_receives_nothing():
    seen = []

    def watch():
        with stop_requests() as stop:
            seen.append(stop.number)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert seen == [None]


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_a_second_signal_ends_the_process_at_once(first, second):
    code = (
        "import os, signal\nfrom ft.system.signals import stop_requests\nwith stop_requests():\n"
        f"    os.kill(os.getpid(), signal.{first})\n    print('still here', flush=True)\n"
        f"    os.kill(os.getpid(), signal.{second})\n    print('never here', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (-getattr(signal, second), "still here\n")


BUSY_IN_C = """
import hashlib, threading, time
from ft.system.quiet import quiet_stderr
from ft.system.signals import {block} as block

main = time.pthread_getcpuclockid(threading.main_thread().ident)

def tell(begun=time.clock_gettime(main)):
    while time.clock_gettime(main) < begun + 0.2:  # the call alone takes so long
        time.sleep(0.01)
    print("busy", flush=True)

with block(), quiet_stderr():
    threading.Thread(target=tell, daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes, in which Python runs no handler
"""


@pytest.mark.parametrize(
    ("block", "answer"),
    [("stop_requests", f"stopping after this step; {AGAIN}"), ("stops_are_errors", f"stopping; {AGAIN}")],
)
def test_ctrl_c_is_answered_at_once_and_a_second_one_obeyed_within_a_call_into_c(block, answer):
    code = BUSY_IN_C.format(block=block)
    busy = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, cwd=ROOT)
    watchdog = threading.Timer(300, busy.kill)
    watchdog.start()
    with busy:
        assert busy.stdout.readline() == "busy\n"
        busy.send_signal(signal.SIGINT)
        assert busy.stderr.readline() == answer
        assert busy.poll() is None
        busy.send_signal(signal.SIGINT)
        assert busy.wait() == 130
    watchdog.cancel()


@pytest.fixture
def train(tmp_path, write_images, fake_wing, monkeypatch, capsys):
    """Train the hub's own way in a folder called `out`, struck by a signal in a step; return exit code and stderr."""
    data = write_images()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ft.api.result.plot_curves", lambda *_, **__: None)  # takes longer than all the rest

    def train(*arguments, strike=None, number=signal.SIGINT):
        def before_step(step):
            if step == strike:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(fake_wing, "before_step", staticmethod(before_step))
        code = train_command([*HUB, "--data", str(data), *arguments], backend="torch")
        return code, capsys.readouterr().err

    return train


# of 3 epochs of 3 steps: the first step, the end of an epoch, the middle of one, the very last step
@pytest.mark.parametrize(("strike", "freeze"), [(0, "base"), (2, "none"), (4, "base"), (7, "none"), (8, "base")])
def test_a_struck_run_goes_on_to_the_same_weights(train, strike, freeze):
    number = (signal.SIGINT, signal.SIGTERM)[strike % 2]
    assert train("--out", "whole", "--freeze", freeze)[0] == 0
    code, said = train("--out", "out", "--freeze", freeze, strike=strike, number=number)
    answer = f"stopping after this step; {AGAIN}" * (number == signal.SIGINT)
    if strike == 8:  # nothing is left to stop
        assert (code, said) == (0, answer)
    else:
        assert (code, said) == (128 + number, f"{answer}stopped after step {strike + 1}; go on with --resume out\n")
        assert checkpoint.load(checkpoint.pointed(Path("out"), "last")).step == strike + 1
        assert train("--resume", "out", "--freeze", freeze) == (0, "")
    for name in ("model.safetensors", "predictions.csv"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert steps(Path("out")) == steps(Path("whole")) == list(range(1, 10))


def steps(folder):
    """Return the steps that a run logged."""
    from ft.runs.folder import read_log

    return [row["step"] for row in read_log(folder) if "loss" in row and not row.get("epoch_end")]


def test_ctrl_c_before_the_training_leaves_nothing(train, tmp_path, monkeypatch):
    def interrupt(job, wing, *, device, epoch):
        raise KeyboardInterrupt

    monkeypatch.setattr("ft.api.session.build_learner", interrupt)
    code, said = train("--out", "out")
    assert (code, said) == (130, "stopped; a run that has a checkpoint goes on with --resume RUN\n")
    assert not (tmp_path / "out").exists()


# ---- the PyTorch wing, in processes of its own, with dropout and stochastic depth


def start(folder, *arguments):
    """Start a training command in `folder`."""
    net = [
        "--model",
        "efficientnet_lite0",
        "--weights",
        "none",
        "--freeze",
        "none",
        "--image-size",
        "32",
        "--epochs",
        "4",
        "--batch-size",
        "4",
        "--workers",
        "1",
        "--stochastic-depth",
        "0.5",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "ft_torch.train", *net, "--data", "pets", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow  # three starts of PyTorch; the hub's own wing above is struck everywhere
def test_sigint_then_resume_ends_in_the_same_bits(tmp_path, write_images):
    write_images(count=4)
    whole, struck = start(tmp_path, "--out", "whole"), start(tmp_path, "--out", "out")
    for line in struck.stderr:
        if line.startswith("epoch 1/4"):
            struck.send_signal(signal.SIGINT)
            break
    rest = struck.communicate()[1]
    assert struck.returncode == 130, rest
    assert "go on with --resume out" in rest
    assert checkpoint.pointed(tmp_path / "out", "last")
    assert not (tmp_path / "out/model.safetensors").exists()
    resumed = start(tmp_path, "--resume", "out")
    assert resumed.communicate()[0] is None
    assert (resumed.returncode, whole.communicate()[0], whole.returncode) == (0, None, 0)
    a, b = (read_safetensors(tmp_path / name / "model.safetensors") for name in ("whole", "out"))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
