"""The command `ft bench`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ft.cli.parser import Parser
from ft.errors import RecipeError, printable

MODELS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")  # every peer replaces `fc`


def bench(arguments: Sequence[str]) -> int:
    """Run `ft bench`. Exit code 0, or 1 where a run of this project does not reach the textbook's accuracy."""
    flags = bench_parser().parse(arguments)
    for name in ("epochs", "batch_size", "images", "size", "peer_steps", "repeat"):
        if (value := getattr(flags, name)) is not None and value < 1:
            raise RecipeError(f"{name}: got {value}; it must be at least 1")
    from ft.bench.bench import bench as run_bench
    from ft.bench.runs import Settings
    from ft.bench.table import table_text

    settings = Settings(**{field.name: getattr(flags, field.name) for field in fields(Settings)})
    result = run_bench(
        settings,
        data=flags.data,
        weights=flags.weights,
        out=Path(flags.out),
        only=flags.only.split(",") if flags.only else (),
        note=lambda line: None if flags.quiet else print(printable(line), file=sys.stderr, flush=True),
        repeat=flags.repeat,
        peak_seconds=flags.peak_seconds,
        peak_side=flags.peak_side,
    )
    if flags.json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join([table_text(result["runs"]), *report_lines(result), printable(flags.out)]))
    return 0 if all(check["passed"] for check in result["checks"]) else 1


def report_lines(result: dict) -> list[str]:
    """Return what is said above the table: the machine's peak, and the accuracy checks."""
    peak, lines = result["peak"], []
    if peak:
        speeds = ", ".join(f"{peak[name] / 1e12:.2f} TFLOP/s in {name}" for name in ("float32", "bfloat16"))
        lines.append(f"peak of a matrix product: {speeds}")
    for check in result["checks"]:
        word = "reaches" if check["passed"] else "FAILS to reach"
        bar = f"textbook-torch's {check['textbook']:.3f} less {check['allowed']:.3f} of chance"
        lines.append(f"{check['run']}: top1 {check['top1']:.3f} {word} {bar}")
    return lines


def bench_parser() -> Parser:
    """Return the parser of `ft bench`."""
    parser = Parser(
        prog="ft bench",
        description="Time this project beside the loops that people write by hand: the same network, images, epochs "
        "and batch, every run in a process of its own with empty caches, several times in turn. Prints medians; "
        "writes bench.json and bench.png. Exit code 1: "
        "a run does not reach the textbook's accuracy.",
    )
    parser.add_argument("--model", choices=MODELS, default="resnet50", help="network [resnet50]")
    parser.add_argument("--weights", default="none", help="imagenet, none or a file, for all but Keras's [none]")
    parser.add_argument("--data", metavar="DIR", help="folder of class folders, or CSV [generated photos]")
    parser.add_argument("--images", type=int, default=480, help="training images; a fourth as many to validate [480]")
    parser.add_argument("--size", type=int, default=224, help="pixels a side [224]")
    parser.add_argument("--epochs", type=int, default=5, help="[5]")
    parser.add_argument("--batch-size", type=int, default=32, help="[32]")
    parser.add_argument("--lr", type=float, default=1e-3, help="of what trains a head [0.001]")
    parser.add_argument("--workers", type=int, default=2, help="threads of this project that read images [2]")
    parser.add_argument("--augment", choices=("none", "crop-flip"), default="none", help="of training images [none]")
    parser.add_argument("--only", metavar="RUN,RUN", help="only these runs, such as textbook-torch,ft-torch")
    parser.add_argument("--repeat", type=int, metavar="N", default=3, help="make every run N times, all in turn [3]")
    parser.add_argument("--peer-steps", type=int, metavar="N", help="time N steps of each peer and scale the rest")
    parser.add_argument("--peak-seconds", type=float, default=3.0, help="how long each type's peak is measured [3]")
    parser.add_argument("--peak-side", type=int, default=4096, help="side of the matrices of the peak [4096]")
    parser.add_argument("--out", metavar="DIR", default="bench", help="folder for bench.json and bench.png [bench]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="no line for each run")
    return parser
