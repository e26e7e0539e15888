"""For every test: PyTorch before TensorFlow, for torchvision crashes when it is second; signals as at a terminal."""

import contextlib
import signal

with contextlib.suppress(ImportError):
    import torchvision  # noqa: F401

# what a script starts with `&` ignores Ctrl-C, `nohup` hangups: so would every process that a test starts and strikes
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
