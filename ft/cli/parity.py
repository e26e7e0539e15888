"""The commands of the parity engine: trace, compare, differences."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft.cli.parser import Parser, add_backend, add_recipe_flags, flag_of
from ft.errors import RecipeError, printable
from ft.recipe import FIELDS, checked, deciding, load
from ft.system.names import REPORT

if TYPE_CHECKING:
    from ft.parity.evidence import Finding
    from ft.parity.verdict import Verdict
    from ft.recipe import Recipe
    from ft.report.comparison import Report

DIFFERENT = 1
OF_MODELS = deciding("step")  # what of a recipe there is for models of the user's


def trace(arguments: Sequence[str]) -> int:
    """Write the named arrays of a few steps of a recipe, with one framework."""
    parser = Parser(prog="ft trace", description="Write what every layer, gradient and update of a few steps is.")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the trace, new or empty")
    add_steps(parser, default=1)
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    add_backend(parser)
    add_recipe_flags(parser)
    flags = parser.parse(arguments)
    from ft.parity.tracing import trace_recipe

    written = trace_recipe(recipe_of(flags, flags.config), Path(flags.out), backend=flags.backend, steps=flags.steps)
    print(printable(written.folder))
    return 0


def compare(arguments: Sequence[str]) -> int:
    """Say whether two things are the same: finished runs, traces, a recipe in both wings, or two models of the user's.

    Exit code 0: equal, 1: different, 2: a user's mistake. Two finished runs are only put side by side.
    """
    parser = compare_parser()
    flags = parser.parse(arguments)
    if flags.torch or flags.tf:
        return judge(lambda folder: of_models(flags, folder), flags)
    if flags.a and flags.b:
        from ft.parity.trace import FACTS

        if not any((Path(folder) / FACTS).exists() for folder in (flags.a, flags.b)):
            return side_by_side(flags)
        return judge(lambda folder: of_traces(flags), flags)
    if flags.a:
        raise RecipeError("compare: one folder is not enough; pass two, or --recipe FILE, or --torch and --tf")
    return judge(lambda folder: of_recipe(flags, folder), flags)


def compare_parser() -> Parser:
    """Return the parser of `ft compare`."""
    parser = Parser(
        prog="ft compare",
        description="Where do two implementations part, by how much, and why? Compares two traces (A B), one recipe in "
        "both frameworks (--recipe, or flags of the recipe), or two models of your own (--torch, --tf). Two finished "
        "runs are put side by side. Exit code 0: equal, 1: different.",
    )
    parser.add_argument("a", nargs="?", metavar="A", help="trace, or run folder")
    parser.add_argument("b", nargs="?", metavar="B", help="trace, or run folder")
    parser.add_argument("--recipe", metavar="FILE", help="recipe file (YAML) to run in both frameworks")
    add_steps(parser, default=None, text="1; with two models of your own 0")
    parser.add_argument("--dtype", choices=["float32", "float64"], help="type to compute in [float64]")
    parser.add_argument("--noise", action=argparse.BooleanOptionalAction, help="measure float32's own noise as well")
    parser.add_argument("--out", metavar="DIR", help="keep traces and reports here, new or empty")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page")
    parser.add_argument("--junit", metavar="FILE", help="write the verdict as JUnit XML, for CI")
    parser.add_argument("--json", action="store_true", help="print JSON")
    models = parser.add_argument_group("two models of your own")
    models.add_argument("--torch", metavar="MODULE:FUNCTION", help="function that returns a torch.nn.Module")
    models.add_argument("--tf", metavar="MODULE:FUNCTION", help="function that returns a keras.Model")
    models.add_argument(
        "--input",
        metavar="SHAPE",
        default="3x64x64",
        help="shape of an image, CxHxW, or every input as NAME:TYPE:SHAPE, as in ids:int<50>:12,mask:bool:12 [3x64x64]",
    )
    models.add_argument("--classes", type=int, help="number of logits, for a loss by labels")
    models.add_argument("--map", metavar="FILE", help="YAML, `torch name: keras path`, where pairing goes wrong")
    models.add_argument("--direction", choices=["torch-to-tf", "tf-to-torch"], default="torch-to-tf", help="weights")
    add_recipe_flags(parser)
    return parser


def add_steps(parser: Parser, *, default: int | None, text: str = "") -> None:
    """Add --steps. text: what the default is, if it is not one number."""
    text = f"training steps; 0: inference, loss and gradients alone [{text or default}]"
    parser.add_argument("--steps", type=int, default=default, metavar="N", help=text)


def recipe_of(flags: argparse.Namespace, file: str | None) -> "Recipe":
    """Return the recipe that flags and a file describe."""
    from ft.recipe import from_dict

    fields = {name: getattr(flags, name) for name in FIELDS if getattr(flags, name, None) is not None}
    return from_dict({**({"name": Path(file).stem, **load(file)} if file else {}), **fields})


def of_traces(flags: argparse.Namespace) -> "Report":
    """Report on two traces."""
    from ft.parity.trace import Trace

    return report_of(Trace(flags.a), Trace(flags.b))


def of_recipe(flags: argparse.Namespace, folder: Path) -> "Report":
    """Report on a recipe in both wings. float64 unless --dtype or --precision says otherwise."""
    from ft.parity.tracing import trace_pair

    recipe = recipe_of(flags, flags.recipe)
    recipe = recipe.replace(precision=flags.dtype or flags.precision or "float64")
    steps = 1 if flags.steps is None else flags.steps
    noise = recipe.precision == "float32" if flags.noise is None else flags.noise
    pair = trace_pair(recipe, folder, steps=steps, noise=noise)
    return report_of(pair.torch, pair.tf, noise=pair.noise)


def of_models(flags: argparse.Namespace, folder: Path) -> "Report":
    """Report on two models of the user's."""
    from ft.parity.foreign.compare import compare_models

    if not (flags.torch and flags.tf):
        raise RecipeError("compare: --torch MODULE:FUNCTION and --tf MODULE:FUNCTION belong together")
    ignored = ["recipe"] * bool(flags.recipe)
    ignored += [name for name in FIELDS if name not in OF_MODELS and getattr(flags, name) is not None]
    if ignored:
        what = ", ".join(map(flag_of, ignored))
        raise RecipeError(f"compare: {what} cannot be had with models of your own, which are trained by SGD")
    result = compare_models(
        torch=flags.torch,
        tf=flags.tf,
        inputs=flags.input,
        classes=flags.classes,
        steps=flags.steps or 0,
        dtype=flags.dtype or flags.precision or "float64",
        map_file=Path(flags.map) if flags.map else None,
        direction=flags.direction,
        lr=0.001 if flags.lr is None else checked("lr", flags.lr),
        batch_size=8 if flags.batch_size is None else checked("batch_size", flags.batch_size),
        seed=0 if flags.seed is None else checked("seed", flags.seed),
        folder=folder,
    )
    renamed = [(pair.torch, pair.keras) for pair in result.pairing if pair.rule != "name"]
    more = {"notes": result.notes, "pairing": renamed, "picture": result.picture}
    return report_of(result.torch, result.tf, verdict=result.verdict(), operations=result.findings, **more)


def report_of(
    a: Any, b: Any, verdict: "Verdict | None" = None, operations: "Sequence[Finding] | None" = None, **more: Any
) -> "Report":
    """Return the report on two traces: verdict, causes, and what else is known.

    operations: where two models were run operation by operation, those that differ: no other layer is to blame.
    """
    from ft.differences import Evidence, diagnose
    from ft.parity.foreign.explain import merged
    from ft.parity.verdict import compare_traces
    from ft.report.comparison import make_report

    verdict = verdict or compare_traces(a, b)
    findings = diagnose(Evidence(a, b, verdict))
    if operations is not None:
        findings = merged(findings, operations)
    return make_report(a, b, verdict, findings, **more)


def judge(make: Any, flags: argparse.Namespace) -> int:
    """Make a report, print it, write the files that were asked for, and return the exit code."""
    from ft.report.comparison import render_html, render_junit, render_text, to_dict
    from ft.system import files

    with working_folder(flags.out) as folder:
        report = make(folder)
        print(json.dumps(to_dict(report), indent=2) if flags.json else render_text(report, color=sys.stdout.isatty()))
        wanted = {flags.html: render_html, flags.junit: render_junit}
        if flags.out:
            wanted |= {str(folder / REPORT): render_html, str(folder / "junit.xml"): render_junit}
            files.write_json(folder / "verdict.json", to_dict(report))
        for path, render in wanted.items():
            if path:
                files.write_text(path, render(report))
    return 0 if report.status == "equal" else DIFFERENT


@contextmanager
def working_folder(out: str | None) -> Iterator[Path]:
    """Give the folder that was asked for, or one that is gone afterwards."""
    if out:
        from ft.runs.folder import claimed

        yield claimed(Path(out))
        return
    folder = Path(tempfile.mkdtemp(prefix="ft-compare-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def side_by_side(flags: argparse.Namespace) -> int:
    """Put two finished runs side by side."""
    from ft.api.side_by_side import compare_runs, render

    result = compare_runs(Path(flags.a), Path(flags.b))
    print(json.dumps(result.to_dict(), indent=2) + "\n" if flags.json else render(result), end="")
    return 0


def differences(arguments: Sequence[str]) -> int:
    """List the catalogue of differences, or show one and run its pair."""
    parser = Parser(prog="ft differences", description="Where PyTorch and Keras differ, why, and how to mend it.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this one, with figures measured now")
    parser.add_argument("--no-run", action="store_true", help="only the text, without running the pair")
    flags = parser.parse(arguments)
    from ft.differences import find_entry
    from ft.report import difference as teach

    print(teach.show(find_entry(flags.name).name, run=not flags.no_run) if flags.name else teach.list_text())
    return 0
