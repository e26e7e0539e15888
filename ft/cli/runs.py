"""`ft evaluate` and `ft report`: what is asked of a finished run."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ft.cli.parser import Parser, add_backend
from ft.errors import RecipeError, printable
from ft.system.files import plain


def metrics_line(metrics: Mapping[str, Any]) -> str:
    """Return "top1 0.914  loss 0.3512" of what was measured, without that on test images."""
    told = {name: x for name, x in metrics.items() if name != "test" and x is not None and not math.isnan(x)}
    return "  ".join(f"{name} {x:.4f}" for name, x in told.items())


def evaluate(arguments: Sequence[str]) -> int:
    """Test a run, or a published network as it came."""
    parser = Parser(prog="ft evaluate", description="The metrics of a run, or of a network as it came.")
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder")
    parser.add_argument("--model", help="network to test as it came, instead of a run")
    parser.add_argument("--weights", help="its weights: a published name, or a file [the whole network's]")
    parser.add_argument(
        "--data", metavar="DIR", help="data of the kind that it was trained on [the run's validation images]"
    )
    text = "also write what is said of each image: predictions.csv, of boxes COCO's boxes.json and detections.json"
    parser.add_argument("--out", metavar="FOLDER", help=text)
    parser.add_argument("--image-size", type=int, help="pixels a side, with --model [the network's own]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser, default=None)
    flags = parser.parse(arguments)
    if bool(flags.run) == bool(flags.model):
        raise RecipeError("evaluate: pass a RUN folder, or --model NAME --data DIR")
    if flags.model:
        if not flags.data:
            raise RecipeError("evaluate: --model needs --data DIR, the images to test it on")
        if flags.out:
            raise RecipeError("evaluate: --out goes with a RUN; of a network as it came there are figures alone")
        from ft.api.evaluate import evaluate_network

        metrics = evaluate_network(
            model=flags.model,
            weights=flags.weights,
            data=flags.data,
            backend=flags.backend or "torch",
            image_size=flags.image_size,
        )
    else:
        if flags.weights or flags.image_size:
            raise RecipeError("evaluate: --weights and --image-size go with --model; a run has its own")
        from ft.api.run import Run

        metrics = Run(flags.run, backend=flags.backend).evaluate(flags.data, out=flags.out)
    line = metrics_line(metrics) or "nothing of it counts, so nothing is measured"
    print(json.dumps(plain(metrics)) if flags.json else line)
    return 0


def report(arguments: Sequence[str]) -> int:
    """Write a run's report again."""
    parser = Parser(prog="ft report", description="Write report.html of a finished run again.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--data", metavar="DIR", help="where the run's images are now [where they were]")
    flags = parser.parse(arguments)
    from ft.api.run import Run

    said = Run(flags.run).write_report(flags.data, say=lambda line: print(f"note: {printable(line)}", file=sys.stderr))
    print(printable(said))
    return 0
