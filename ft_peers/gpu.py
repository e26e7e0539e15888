"""All that is checked and timed on a GPU, in one call of at most eight minutes: `python -m ft_peers.gpu`.

Each check is a process of its own. Where there is no GPU, or no framework, it is skipped with the reason. Exit code 1:
a check found what must not be. `--rehearse` runs everything on the CPU, tiny, to see that it runs.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from ft.system import apart

FLAGS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
FLAGS.add_argument("--out", default="gpu.json", help="where the figures go [gpu.json]")
FLAGS.add_argument("--seconds", type=float, default=470, help="what is not begun by then is skipped [470]")
FLAGS.add_argument("--only", default="", help="checks whose name begins so")
FLAGS.add_argument("--rehearse", action="store_true", help="on the CPU, tiny")
FLAGS.add_argument("--check", help=argparse.SUPPRESS)  # what a process of its own is to do
LIMIT = 120  # seconds of one check
SEEN = {
    "torch": "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')",
    "tf": "import tensorflow as tf; print(*(gpu.name for gpu in tf.config.list_physical_devices('GPU')))",
}
OWN = ("numpy", "PIL")  # of the checks themselves
UNUSED = ("yaml", "safetensors", "ml_dtypes")  # which the hub imports, and no check needs
PACKAGES = {"torch": ("torch", "torchvision"), "tf": ("tensorflow", "keras")}
TINY = {"steps": 2}, {"network": "resnet18", "size": 32, "batch": 4, "passes": 1, "blocks": 1, "side": 64, "photos": 8}


class StandIn(ModuleType):
    """A package that is not installed: its names are classes that do nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def checks(device: str, *, tiny: bool) -> dict[str, Callable[[], dict]]:
    """Return what is to be done by name, the most important first: WING, what, and on which network."""
    from ft_peers import gpu_equal

    found: dict[str, Callable[[], dict]] = {}
    fewer = TINY[0] if tiny else {}
    for wing in ("torch", "tf"):
        settings = {name: gpu_equal.Setting(wing, name, **fewer) for name in gpu_equal.NETWORKS}
        found[f"{wing} cpu is the cpu"] = lambda s=settings["resnet18"]: gpu_equal.on_cpu(s)
        for kind in (gpu_equal.repeated, gpu_equal.float64, gpu_equal.float32):
            if wing == "torch" and kind is gpu_equal.float32:
                found |= speeds(device, tiny=tiny)
            for name, setting in settings.items():
                found[f"{wing} {kind.__name__} {name}"] = lambda k=kind, s=setting: k(s, ready(s.backend, device))
    return found


def speeds(device: str, *, tiny: bool) -> dict[str, Callable[[], dict]]:
    """Return what is timed, of the PyTorch wing alone."""

    def load():
        from ft_peers import gpu_speed  # needs PyTorch

        return gpu_speed, gpu_speed.Load(**(TINY[1] if tiny else {}))

    def timing(whole: bool, precision: str) -> Callable[[], dict]:
        def run() -> dict:
            module, what = load()
            return module.speed(what, device, whole=whole, precision=precision)

        return run

    def decoding() -> dict:
        module, what = load()
        return module.decoding(what)

    kinds = [(whole, precision) for whole in (False, True) for precision in ("float32", "bfloat16")]
    names = [f"torch speed of the {'whole network' if whole else 'frozen pass'}, {kind}" for whole, kind in kinds]
    return {**{name: timing(*kind) for name, kind in zip(names, kinds, strict=True)}, "torch decoding": decoding}


def ready(wing: str, device: str) -> str:
    """Prepare the process for what must repeat itself to the bit and return the device."""
    from ft.backend import contract as backend

    return backend.load(wing).prepare(device=device, deterministic=True)


def why_not(wing: str) -> str:
    """Return why nothing of a wing can be checked here, "" where it can."""
    missing = [package for package in PACKAGES[wing] if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    seen = subprocess.run([sys.executable, "-c", SEEN[wing]], capture_output=True, text=True)
    return "" if seen.stdout.strip() else f"{PACKAGES[wing][0]} sees no CUDA device"


def run_apart(name: str, args: argparse.Namespace, seconds: float) -> dict:
    """Do one check in a process of its own and return what it found."""
    command = apart.command("ft_peers.gpu", "--check", name, *(["--rehearse"] if args.rehearse else []))
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=apart.environment(), timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"passed": False, "error": f"not done in {seconds:.0f} s"}
    took = {"seconds": time.perf_counter() - started}
    if done.returncode:
        return {"passed": False, "error": (done.stderr.strip().splitlines() or ["nothing said"])[-1], **took}
    return {**json.loads(done.stdout.splitlines()[-1]), **took}


def line_of(name: str, found: dict) -> str:
    """Return one line of the table."""
    if reason := found.get("skipped") or found.get("error"):
        return f"{'skipped' if 'skipped' in found else 'FAILED':<8} {name:<46} {reason}"
    parts = [f"{found['measured']:.3g}", *([f"bar {found['bar']:g}"] if "bar" in found else [])]
    if "share_of_peak" in found:
        ours, hand = found["wing"], found["by_hand"]
        parts = [f"{ours['images_per_second']:.0f} images/s, {found['measured']:.2f} of the hand-written loop's"]
        parts += [f"{found['share_of_peak']:.0%} of the peak of {found['peak'] / 1e12:.1f} TFLOP/s"]
        parts += [f"{ours['bytes'] / 1e9:.2f} GB, by hand {hand['bytes'] / 1e9:.2f}"]
    elif "cores" in found:
        parts = [f"{found['measured']:.0f} photos/s on {found['cores']} cores"]
    return f"{'passed' if found['passed'] else 'FAILED':<8} {name:<46} {', '.join(parts)}"


def kept_up(found: dict[str, dict]) -> list[str]:
    """Return, of each speed, whether the decoder keeps up with it."""
    photos = found.get("torch decoding", {}).get("measured")
    rates = {name: each["wing"]["images_per_second"] for name, each in found.items() if "wing" in each}
    if photos is None:
        return []
    return [
        f"decoding {'keeps up' if photos >= rate else f'reaches {photos / rate:.0%}'}: {name}"
        for name, rate in rates.items()
    ]


def main(args: argparse.Namespace) -> int:
    """Do every check that there is time for, print the table and write the figures."""
    device, began = "cpu" if args.rehearse else "cuda", time.perf_counter()
    if missing := [package for package in OWN if find_spec(package) is None]:
        print(f"skipped  all: {' and '.join(missing)} not installed; torchvision brings them along")
        return 0
    sys.modules.update({name: StandIn(name) for name in UNUSED if find_spec(name) is None})
    todo = checks(device, tiny=args.rehearse)
    if args.check:
        print(json.dumps(todo[args.check]()))
        return 0
    names = [name for name in todo if name.startswith(args.only)]
    wings = {name.split()[0] for name in names}
    reasons = {wing: "" if args.rehearse else why_not(wing) for wing in wings}
    found = {}
    for name in names:
        left = args.seconds - (time.perf_counter() - began)
        reason = reasons[name.split()[0]] or ("" if left > 5 else "no time left")
        found[name] = {"skipped": reason, "passed": True} if reason else run_apart(name, args, min(LIMIT, left))
        print(line_of(name, found[name]), flush=True)
    print("\n".join(kept_up(found)))
    Path(args.out).write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(each["passed"] for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(FLAGS.parse_args()))
