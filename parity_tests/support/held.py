"""What a refactor must leave as it is, bit for bit: `python -m parity_tests.support.held OUT` before and after.

It runs the built-in recipe and a whole ResNet-18 in both wings, resumes each of the latter in the other wing, exports
one, and writes OUT/held.json: a hash of every step's loss, of the metrics, of weights, slots and predictions. Compare
on one machine only: another CPU rounds otherwise.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from ft.runs.folder import read_log

WHOLE = "--model resnet18 --weights none --freeze none --image-size 32 --batch-size 64 --epochs 1 --augment crop-flip"
OTHER = {"torch": "tf", "tf": "torch"}


def main(out: Path) -> None:
    """Run everything and write what came of it."""
    held = {}
    for wing in OTHER:
        held |= {f"built-in, {wing}": trained(out / f"built-in-{wing}", wing)}
        held |= {f"whole, {wing}": trained(out / f"whole-{wing}", wing, *WHOLE.split())}
    for wing, other in OTHER.items():
        folder = out / f"whole-{wing}"
        ft("train", "--resume", str(folder), "--epochs", "2", "--backend", other, "--quiet")
        held |= {f"whole, {wing}, resumed in {other}": facts(folder)}
    exported = out / "whole.onnx"
    ft("export", str(out / "whole-torch"), "--format", "onnx", "--out", str(exported))
    held |= {"exported": digest(exported.read_bytes())}
    (out / "held.json").write_text(json.dumps(held, indent=2) + "\n")


def trained(folder: Path, wing: str, *flags: str) -> dict[str, str]:
    """Train into a folder and return what is there."""
    ft("train", "--backend", wing, "--out", str(folder), "--quiet", *flags)
    return facts(folder)


def ft(*arguments: str) -> None:
    """Run a command of ft."""
    subprocess.run([sys.executable, "-m", "ft", *arguments], check=True)


def facts(folder: Path) -> dict[str, str]:
    """Return a hash of each thing in a run that must not change."""
    losses = [row.get("loss") for row in read_log(folder)]
    result = json.loads((folder / "model.json").read_text())
    last = max((folder / "checkpoints").glob("step-*"))
    files = {path.name: path.read_bytes() for path in (last / "optimizer.safetensors", folder / "predictions.csv")}
    metrics = {key: result[key] for key in ("metrics", "train_metrics")}
    return {
        "losses": digest(json.dumps(losses).encode()),
        "metrics": digest(json.dumps(metrics).encode()),
        "weights": result["sha256"]["model.safetensors"],
        **{name: digest(content) for name, content in files.items()},
    }


def digest(content: bytes) -> str:
    """Return a hash."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
