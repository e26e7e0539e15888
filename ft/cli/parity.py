"""The commands of the parity engine: trace, compare, differences."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft.cli.outcome import Outcome, judge
from ft.cli.parser import Parser, add_backend, add_recipe_flags, config_fields, flag_of
from ft.errors import RecipeError, printable
from ft.recipe import FIELDS, checked, deciding

if TYPE_CHECKING:
    from ft.parity.accepted import Accepted
    from ft.parity.evidence import Finding
    from ft.parity.sensitivity import Band
    from ft.parity.verdict import Verdict
    from ft.recipe import Recipe
    from ft.report.comparison import Report

DIFFERENT = 1
OF_MODELS = deciding("step")  # what of a recipe there is for models of the user's
OF_STRANGERS = {"input", "classes", "map", "direction"}
OUTPUTS = {"a", "b", "out", "html", "junit", "json"}
OF_VERDICTS = {"accept", "accepted", "write_accept"}
OF_RUNS = {"sensitivity"}
SIDES_OF_MODELS = ("torch", "tf", "onnx", "saved_model")
OF_FILES = {*SIDES_OF_MODELS, "input", "batch_size", "seed", "dtype"}  # what goes with a file as a side


def trace(arguments: Sequence[str]) -> int:
    """Write the named arrays of a few steps of a recipe, with one framework."""
    parser = Parser(prog="ft trace", description="Write what every layer, gradient and update of a few steps is.")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the trace, new or empty")
    add_steps(parser, default=1)
    parser.add_argument(
        "--one-ulp", action="store_true", help="move every starting weight by one unit in the last place"
    )
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    add_backend(parser)
    add_recipe_flags(parser)
    flags = parser.parse(arguments)
    from ft.parity.tracing import trace_recipe

    recipe, how = recipe_of(flags, flags.config), {"steps": flags.steps, "one_ulp": flags.one_ulp}
    written = trace_recipe(recipe, Path(flags.out), backend=flags.backend, **how)
    print(printable(written.folder))
    return 0


def compare(arguments: Sequence[str]) -> int:
    """Say whether two things are the same: finished runs, traces, a recipe in both wings, or two models of the user's.

    Exit code 0: equal, 1: different, 2: a user's mistake. Two finished runs are only put side by side.
    """
    parser = compare_parser()
    flags = parser.parse(arguments)
    return judge(lambda folder: compared(flags, folder, given_flags(parser, flags)), flags)


def compared(flags: argparse.Namespace, folder: Path, given: set[str]) -> Outcome:
    """Compare what the flags name. folder: for traces; given: the flags that are not at their default."""
    models, runs = bool(flags.torch or flags.tf or flags.onnx or flags.saved_model), False
    if flags.a and flags.b and not models:
        from ft.parity.trace import FACTS

        runs = not any((Path(each) / FACTS).exists() for each in (flags.a, flags.b))
        what = "two finished runs" if runs else "two traces"
        refuse(given - OUTPUTS - (OF_RUNS if runs else OF_VERDICTS), f"{what}, which are read as they are")
    elif flags.a and not models:
        raise RecipeError("compare: one folder is not enough; pass two, or --recipe FILE, or --torch and --tf")
    if runs:
        return side_by_side(flags)
    accepted = accepted_of(flags)
    if flags.onnx or flags.saved_model:
        refuse(given - OF_FILES - OF_VERDICTS - OUTPUTS, "a file as a side, of which the outputs are compared")
        report = of_outputs(flags, folder)
    elif models:
        report = of_models(flags, folder)
    elif flags.b:
        report = of_traces(flags)
    else:
        refuse(given & OF_STRANGERS, "a recipe; it goes with --torch and --tf")
        report = of_recipe(flags, folder)
    return verdict_on(report, accepted, flags)


def given_flags(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> set[str]:
    """Return the names of the flags that are not at their default."""
    return {name for name, value in vars(flags).items() if value != parser.get_default(name)}


def refuse(names: set[str], what: str) -> None:
    """Raise RecipeError for flags that would be passed over."""
    if names:
        raise RecipeError(f"compare: {', '.join(map(flag_of, sorted(names)))} cannot be had with {what}")


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
    parser.add_argument("--sensitivity", action="store_true", help="show what one ulp in the weights does to one side")
    parser.add_argument("--out", metavar="DIR", help="keep traces and reports here, new or empty")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page")
    parser.add_argument("--junit", metavar="FILE", help="write the verdict as JUnit XML, for CI")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--accept", metavar="ID", action="append", help="let a difference pass; an entry: everywhere")
    parser.add_argument("--accepted", metavar="FILE", help="file of what to let pass, and why [parity.yaml, if it is]")
    parser.add_argument("--write-accept", action="store_true", help="write that file anew, from all that differs")
    models = parser.add_argument_group("two models of your own")
    for name, what in (("--torch", "a torch.nn.Module"), ("--tf", "a keras.Model")):
        text = f"function that returns {what}; may be given twice, for two of one framework"
        models.add_argument(name, metavar="MODULE:FUNCTION", action="append", help=text)
    for name, metavar, what in (("--onnx", "FILE", "an ONNX file"), ("--saved-model", "DIR", "a SavedModel")):
        text = f"{what} as a side: outputs alone are compared, each model with its own weights"
        models.add_argument(name, metavar=metavar, action="append", help=text)
    models.add_argument(
        "--input",
        metavar="SHAPE",
        default="3x64x64",
        help="shape of an image, CxHxW, or every input as NAME:TYPE:SHAPE, as in ids:int<50>:12,mask:bool:12 [3x64x64]",
    )
    models.add_argument("--classes", type=int, help="number of logits, for a loss by labels")
    models.add_argument("--map", metavar="FILE", help="YAML, `torch name: keras path`, where pairing goes wrong")
    ways = ["torch-to-tf", "tf-to-torch", "a-to-b", "b-to-a"]
    models.add_argument("--direction", choices=ways, default=ways[0], help="of weights; a, b: two of one framework")
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
    return from_dict({**config_fields(file), **fields})


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
    pair = trace_pair(recipe, folder, steps=steps, noise=noise, sensitivity=flags.sensitivity)
    return report_of(pair.torch, pair.tf, noise=pair.noise, band=pair.band)


def of_models(flags: argparse.Namespace, folder: Path) -> "Report":
    """Report on two models of the user's."""
    from ft.parity.foreign.compare import compare_models

    ignored = ["recipe"] * bool(flags.recipe) + ["noise"] * bool(flags.noise)
    ignored += [name for name in FIELDS if name not in OF_MODELS and getattr(flags, name) is not None]
    if ignored:
        what = ", ".join(map(flag_of, ignored))
        raise RecipeError(f"compare: {what} cannot be had with models of your own")
    result = compare_models(
        torch=flags.torch or (),
        tf=flags.tf or (),
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
        sensitivity=flags.sensitivity,
    )
    renamed = [(pair.torch, pair.keras) for pair in result.pairing if pair.rule != "name"]
    more = {"notes": result.notes, "pairing": renamed, "picture": result.picture, "band": result.band}
    return report_of(result.torch, result.tf, verdict=result.verdict(), operations=result.findings, **more)


def of_outputs(flags: argparse.Namespace, folder: Path) -> "Report":
    """Report on two models of which one is a file at least."""
    from ft.parity.foreign.outputs import compare_outputs
    from ft.report.comparison import make_report

    sides = [(name.replace("_", "-"), each) for name in SIDES_OF_MODELS for each in getattr(flags, name) or ()]
    if len(sides) != 2:
        raise RecipeError(f"compare: got {len(sides)} models; pass two of --torch, --tf, --onnx and --saved-model")
    result = compare_outputs(
        sides,
        inputs=flags.input,
        dtype=flags.dtype or "float64",
        batch_size=8 if flags.batch_size is None else checked("batch_size", flags.batch_size),
        seed=0 if flags.seed is None else checked("seed", flags.seed),
        folder=folder,
    )
    return make_report(result.one, result.other, result.verdict(), [], notes=result.notes)


def report_of(
    a: Any,
    b: Any,
    *,
    verdict: "Verdict | None" = None,
    operations: "Sequence[Finding]" = (),
    band: "Band | None" = None,
    **more: Any,
) -> "Report":
    """Return the report on two traces: verdict, causes, and what else is known.

    operations: those that differ, where two models were run operation by operation: no other layer is to blame; band:
    where it holds all that differs, that is chaos, and no place in it is a difference of its own.
    """
    from ft.differences import Evidence, Finding, find_all
    from ft.parity.finding_id import OUTPUTS
    from ft.parity.foreign.explain import merged, shown
    from ft.parity.origins import unexplained
    from ft.parity.sensitivity import CHAOS, chaos_in
    from ft.parity.verdict import compare_traces
    from ft.report.comparison import make_report

    verdict = verdict or compare_traces(a, b)
    evidence = Evidence(a, b, verdict.measured)
    findings = merged(find_all(Evidence(a, b, verdict)), operations)  # tied weights are no array
    if band is not None and band.holds_all(verdict):
        findings, origins = [chaos_in(verdict, band), *(f for f in findings if f.entry != CHAOS)], []
    else:
        origins = [f for f in unexplained(evidence, findings) if not (shown(operations) and f.phase in OUTPUTS)]
    told = {(f.phase, f.name) for f in findings}
    rows = [row for row in verdict.unmeasured if (row.phase, row.name) not in told]
    findings += [Finding(row.phase, row.step, row.phase, row.name, row.relative, row.fault) for row in rows]
    return make_report(a, b, verdict, findings, origins=origins, band=band, **more)


def verdict_on(report: "Report", accepted: "Accepted", flags: argparse.Namespace) -> Outcome:
    """Return the outcome of a report: all that is not accepted makes the two different."""
    from ft.parity.accepted import ACCEPTED, write_accepted
    from ft.report.comparison import render_html, render_junit, render_text, to_dict

    if flags.write_accept:
        accepted, path = accepted.with_all(report.items), Path(flags.accepted or ACCEPTED)
        write_accepted(path, accepted)
        wrote = f"wrote {path}: {len(accepted.reasons)} accepted; say there why"
        report = replace(report, notes=(*report.notes, wrote))
    told = replace(report, accepted=accepted)
    return Outcome(
        text=lambda: render_text(told, color=sys.stdout.isatty()),
        data=to_dict(told),
        page=lambda: render_html(told),
        junit=lambda: render_junit(told),
        code=0 if told.passed else DIFFERENT,
    )


def accepted_of(flags: argparse.Namespace) -> "Accepted":
    """Return what flags and the file of accepted differences let pass."""
    from ft.parity.accepted import accepted_by

    path = Path(flags.accepted) if flags.accepted else None
    if path and flags.write_accept and not path.exists():
        path = None
    return accepted_by(",".join(flags.accept).split(",") if flags.accept else (), path)


def side_by_side(flags: argparse.Namespace) -> Outcome:
    """Put two finished runs side by side."""
    from ft.api.side_by_side import compare_runs, render
    from ft.api.side_by_side_files import render_page, render_xml

    result = compare_runs(Path(flags.a), Path(flags.b))
    if flags.sensitivity:
        from ft.api.one_ulp import trained_again

        result = replace(result, one_ulp=trained_again(Path(flags.a), Path(flags.b)))
    forms = (lambda: render(result)[:-1]), result.to_dict(), (lambda: render_page(result)), (lambda: render_xml(result))
    return Outcome(*forms, code=0)


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
