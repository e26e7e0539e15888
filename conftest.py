"""For every test: PyTorch before TensorFlow, for torchvision crashes when it is second; signals as at a terminal.

Generated examples take as long as they take, and are the same ones each time.
"""

import contextlib
import signal

with contextlib.suppress(ImportError):
    import torchvision  # noqa: F401

with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("steady", derandomize=True, **patient)
    settings.load_profile("steady")

# what a script starts with `&` ignores Ctrl-C, `nohup` hangups: so would every process that a test starts and strikes
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
