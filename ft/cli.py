"""The commands. Flags of `train` are the fields of the recipe; no `--help` loads a framework."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from ft.errors import RecipeError, UserError, memory_is_exhausted, printable
from ft.recipe import FIELDS, SYNONYMS, TYPES, load

if TYPE_CHECKING:
    from ft.zoo import Card

USER_ERROR, INTERNAL_ERROR = 2, 70


class Parser(argparse.ArgumentParser):
    """argparse that raises RecipeError, with the nearest flag, instead of printing usage and exiting."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise RecipeError(f"{message}; see {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse, and name the nearest flag for one that does not exist."""
        found, strangers = self.parse_known_args(arguments)
        for word in strangers:
            raise RecipeError(self.unknown_flag(word))
        return found

    def unknown_flag(self, word: str) -> str:
        """Return the message for a word that is no flag and no argument."""
        if not word.startswith("--"):
            return f"unexpected argument '{word}'; see {self.prog} --help"
        flag = word.split("=")[0]
        known = {flag: flag for action in self._actions for flag in action.option_strings}
        synonyms = {flag_of(word): flag_of(field) for word, field in SYNONYMS.items() if flag_of(field) in known}
        meant = {**synonyms, **known}
        near = get_close_matches(flag, meant, n=1, cutoff=0.6)
        hint = f"did you mean '{meant[near[0]]}'?" if near else f"see {self.prog} --help"
        return f"unknown flag '{flag}'; {hint}"


def flag_of(field: str) -> str:
    """Return the flag of a recipe field."""
    return "--" + field.replace("_", "-")


def add_recipe_flags(parser: argparse.ArgumentParser, names: Collection[str] = FIELDS) -> None:
    """Add a flag for every field of the recipe, or for those of these names, under the field's heading."""
    # a usage of a hundred flags would push what they mean off the screen
    places = [action for action in parser._actions if not action.option_strings]
    words = [f"[{place.metavar}]" if place.nargs == "?" else str(place.metavar) for place in places]
    parser.usage = " ".join(["%(prog)s", *words, "[FLAG [VALUE]] ..."])
    groups: dict[str, Any] = {}
    for name, field in ((name, field) for name, field in FIELDS.items() if name in names):
        title = field.metadata["group"]
        group = groups.setdefault(title, None) or parser.add_argument_group(title)
        groups[title] = group
        default = (",".join(field.default) or None) if isinstance(field.default, tuple) else field.default
        text = field.metadata["help"] + ("" if default is None else f" [{str(default).lower()}]")
        if TYPES[name] is bool:
            group.add_argument(flag_of(name), action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            kind = TYPES[name]
            word = "|".join(get_args(kind)) if get_origin(kind) is Literal else name.upper()
            flags = (flag_of(name), *field.metadata["flags"])
            group.add_argument(*flags, dest=name, metavar=word, default=None, help=text.replace("%", "%%"))


def train_parser(prog: str, *, choose_backend: bool) -> Parser:
    """Return the parser of a training command."""
    parser = Parser(
        prog=prog,
        description="Fine-tune a pretrained network. Without flags: EfficientNet-Lite0 on "
        "handwritten digits, base frozen, new head.",
    )
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    parser.add_argument("--out", metavar="DIR", help="run folder, new or empty [runs/MODEL-DATA-BACKEND-NNN]")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run, begun in either wing, at its next step")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    if choose_backend:
        add_backend(parser, default=None, text="torch; with --resume the run's own")
    add_recipe_flags(parser)
    return parser


def add_backend(parser: argparse.ArgumentParser, *, default: str | None = "torch", text: str | None = None) -> None:
    """Add --backend. text: what the default is, if its name does not say it."""
    text = f"framework [{text or default or 'the one that trained the run'}]"
    parser.add_argument("--backend", choices=["torch", "tf"], default=default, help=text)


def train_command(arguments: Sequence[str], *, backend: str | None = None, prog: str | None = None) -> int:
    """Run a training command and return its exit code. backend: fixed by `python -m ft_torch.train` and its twin."""
    prog = prog or f"python -m ft_{backend}.train"
    return guarded(lambda: train(train_parser(prog, choose_backend=backend is None).parse(arguments), backend))


def train(flags: argparse.Namespace, backend: str | None) -> int:
    """Fine-tune by the flags and print the result."""
    fields = {name: getattr(flags, name) for name in FIELDS if getattr(flags, name) is not None}
    if flags.config:
        if flags.resume:
            raise RecipeError("--config and --resume contradict each other; a resumed run has its recipe")
        path = Path(flags.config)
        fields = {"name": path.stem, **load(path), **fields}
    from ft.tuning import finetune

    run = finetune(backend=backend or flags.backend, out=flags.out, resume=flags.resume, quiet=flags.quiet, **fields)
    print(f"{metrics_line(run.metrics)}  in {run.result['seconds']:.1f} s\n{printable(run.folder)}")
    return 0


def metrics_line(metrics: dict[str, float | None]) -> str:
    """Return "top1 0.914  top5 0.998  loss 0.3512" of what was measured."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if value is not None)


def evaluate(arguments: Sequence[str]) -> int:
    """Test a run, or a published network as it came."""
    parser = Parser(prog="ft evaluate", description="Top-1, top-5 and loss of a run, or of a network as it came.")
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder")
    parser.add_argument("--model", help="network to test as it came, instead of a run")
    parser.add_argument("--weights", help="its weights: imagenet, a published name, or a file [imagenet]")
    parser.add_argument("--data", metavar="DIR", help="folder of class folders, or CSV [the run's validation images]")
    parser.add_argument("--image-size", type=int, help="pixels a side, with --model [the network's own]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser, default=None)
    flags = parser.parse(arguments)
    if bool(flags.run) == bool(flags.model):
        raise RecipeError("evaluate: pass a RUN folder, or --model NAME --data DIR")
    if flags.model:
        if not flags.data:
            raise RecipeError("evaluate: --model needs --data DIR, the images to test it on")
        from ft.evaluate import evaluate_network

        metrics = evaluate_network(
            model=flags.model,
            weights=flags.weights or "imagenet",
            data=flags.data,
            backend=flags.backend or "torch",
            image_size=flags.image_size,
        )
    else:
        if flags.weights or flags.image_size:
            raise RecipeError("evaluate: --weights and --image-size go with --model; a run has its own")
        from ft.run import Run

        metrics = Run(flags.run, backend=flags.backend).evaluate(flags.data)
    print(json.dumps(metrics) if flags.json else metrics_line(metrics))
    return 0


def predict(arguments: Sequence[str]) -> int:
    """Say what is on images."""
    parser = Parser(prog="ft predict", description="The most probable classes of images.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--top", type=int, default=3, help="classes an image [3]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser, default=None)
    flags = parser.parse(arguments)
    from ft.run import Run

    guesses = Run(flags.run, backend=flags.backend).predict(flags.images, top=flags.top)
    if flags.json:
        rows = [
            {"image": image, "classes": [{"label": g.label, "probability": g.probability} for g in best]}
            for image, best in zip(flags.images, guesses, strict=True)
        ]
        print(json.dumps(rows, indent=2))
    else:
        names = [printable(image) for image in flags.images]
        width = max(map(len, names))
        for name, best in zip(names, guesses, strict=True):
            print(f"{name:<{width}}  " + "  ".join(f"{printable(g.label)} {g.probability:.3f}" for g in best))
    return 0


def report(arguments: Sequence[str]) -> int:
    """Write a run's report again."""
    parser = Parser(prog="ft report", description="Write report.html of a finished run again.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    flags = parser.parse(arguments)
    from ft.run import Run

    print(printable(Run(flags.run).write_report()))
    return 0


def lr_find(arguments: Sequence[str]) -> int:
    """Sweep the learning rate, write curve and numbers, and print a suggestion."""
    parser = Parser(
        prog="ft lr-find",
        description="Train a little under a rising learning rate and suggest one: where the smoothed loss falls most "
        "steeply. Takes the recipe's flags; leaves nothing but lr-find.png and lr-find.json.",
    )
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    parser.add_argument("--out", metavar="DIR", default="lr-find", help="folder for curve and numbers [lr-find]")
    parser.add_argument("--lr-min", type=float, default=1e-6, metavar="RATE", help="first rate [1e-6]")
    parser.add_argument("--lr-max", type=float, default=1.0, metavar="RATE", help="last rate [1]")
    parser.add_argument("--lr-steps", type=int, default=100, metavar="N", help="updates [100]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser)
    add_recipe_flags(parser)
    flags = parser.parse(arguments)
    fields = {name: getattr(flags, name) for name in FIELDS if getattr(flags, name) is not None}
    if flags.config:
        fields = {"name": Path(flags.config).stem, **load(flags.config), **fields}
    from ft.lr_find import find_lr

    sweep = {"lr_min": flags.lr_min, "lr_max": flags.lr_max, "lr_steps": flags.lr_steps}
    found = find_lr(backend=flags.backend, out=flags.out, **sweep, **fields)
    if flags.json:
        print(json.dumps({"suggestion": found.suggestion, "diverged": found.diverged, "steps": len(found.rates)}))
    elif found.suggestion is None:
        print(f"no suggestion: the loss never falls up to lr {found.rates[-1]:.3g}\n{printable(flags.out)}")
    else:
        end = f"; it diverges at {found.rates[-1]:.3g}" if found.diverged else ""
        print(f"lr {found.suggestion:.3g} (the loss falls most steeply there{end})\n{printable(flags.out)}")
    return 0


def models(arguments: Sequence[str]) -> int:
    """List the networks, or show one."""
    if arguments and arguments[0] == "show":
        from ft.show import show_command

        return show_command(arguments[1:])
    text = "The networks, their size and their published weights. `ft models show NAME` shows one by stage."
    parser = Parser(prog="ft models", description=text)
    parser.add_argument("--family", metavar="NAME", help="only this family, such as resnet")
    parser.add_argument("--max-params", type=float, metavar="MILLIONS", help="only networks of at most this size")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags = parser.parse(arguments)
    rows = [model_row(card) for card in chosen_cards(flags.family, flags.max_params)]
    if flags.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            top1 = "   -" if row["top1"] is None else f"{row['top1']:.1f}"
            size = f"{row['parameters'] / 1e6:5.1f} M  {row['image_size']} px  top1 {top1}"
            print(f"{row['name']:<20} {size}  {', '.join(row['stages'])}")
    return 0


def chosen_cards(family: str | None, millions: float | None) -> list["Card"]:
    """Return the cards of a family, or of all, up to a size; RecipeError for no such family or none so small."""
    from ft.errors import unknown
    from ft.zoo import cards

    families = {card.family for card in cards()}
    if family is not None and family not in families:
        raise RecipeError(unknown("family", family, families))
    limit = float("inf") if millions is None else millions * 1e6
    found = [card for card in cards() if family in (None, card.family) and card.parameters <= limit]
    if not found:
        raise RecipeError(f"max-params: no network has at most {millions} million parameters")
    return found


def model_row(card: "Card") -> dict[str, Any]:
    """Return what `ft models` says of a network."""
    return {
        "name": card.name,
        "family": card.family,
        "parameters": card.parameters,
        "image_size": card.preprocess.crop,
        "top1": card.pretrained[0].top1 if card.pretrained else None,
        "weights": [entry.name for entry in card.pretrained],
        "licences": sorted({entry.licence for entry in card.pretrained}),
        "stages": list(card.stages),
    }


def convert(arguments: Sequence[str]) -> int:
    """Convert a checkpoint."""
    from ft.convert import convert_command

    return convert_command(arguments)


def export(arguments: Sequence[str]) -> int:
    """Write a run as a deployable file."""
    from ft.export import export_command

    return export_command(arguments)


def parity(command: str, arguments: Sequence[str]) -> int:
    """Run one of the parity engine's commands."""
    from ft import cli_parity

    return getattr(cli_parity, command)(arguments)


def data(arguments: Sequence[str]) -> int:
    """Check a data set."""
    from ft import cli_data

    return cli_data.data(arguments)


def cache(arguments: Sequence[str]) -> int:
    """List or remove files of features."""
    from ft import cli_cache

    return cli_cache.cache(arguments)


def bench(arguments: Sequence[str]) -> int:
    """Time this project beside the loops that people write by hand."""
    from ft import cli_bench

    return cli_bench.bench(arguments)


COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "train": (
        lambda arguments: train(train_parser("ft train", choose_backend=True).parse(arguments), None),
        "fine-tune a network",
    ),
    "evaluate": (evaluate, "test a run, or a network as it came"),
    "predict": (predict, "say what is on images"),
    "report": (report, "write a run's report.html again: curves, classes, calibration, mistakes"),
    "compare": (
        partial(parity, "compare"),
        "find where two implementations part, and why; or put two runs side by side",
    ),
    "data": (data, "check a folder or CSV of images before training on it"),
    "convert": (convert, "turn a checkpoint into another format, or another framework's"),
    "export": (export, "turn a run into ONNX, a torch.export archive, SavedModel or LiteRT"),
    "trace": (partial(parity, "trace"), "write what every layer and gradient of a few steps is"),
    "differences": (partial(parity, "differences"), "where PyTorch and Keras differ, taught one by one"),
    "lr-find": (lr_find, "suggest a learning rate"),
    "bench": (bench, "time this project beside the loops that people write by hand"),
    "cache": (cache, "list the features that are kept on disk; ft cache clear removes them"),
    "models": (models, "list the networks; ft models show NAME: one by stage"),
}


def main() -> int:
    """Run `ft COMMAND ...` and return its exit code."""
    return guarded(lambda: dispatch(sys.argv[1:]))


def dispatch(arguments: Sequence[str]) -> int:
    """Run the command that the first word names."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(
            "usage: ft COMMAND ...\n\n"
            + "\n".join(f"  {name:<11} {text}" for name, (_, text) in COMMANDS.items())
            + "\n\nft COMMAND --help tells more"
        )
        return 0
    if arguments[0] not in COMMANDS:
        from ft.errors import unknown

        raise RecipeError(unknown("command", arguments[0], COMMANDS) + "; see ft --help")
    return COMMANDS[arguments[0]][0](arguments[1:])


def guarded(command: Callable[[], int]) -> int:
    """Run a command; a user's mistake becomes one line and exit code 2, a signal 128 + its number, a bug 70.

    The code is that of the work, whatever becomes of the streams that it prints to.
    """
    from ft.progress import standing_streams
    from ft.signals import Interrupted, stops_are_errors

    with standing_streams():
        try:
            with stops_are_errors():
                return command()
        except Interrupted as stopped:
            print(printable(stopped), file=sys.stderr)
            return 128 + stopped.number
        except KeyboardInterrupt as stopped:
            print("stopped; a run that has a checkpoint goes on with --resume RUN", file=sys.stderr)
            return 128 + getattr(stopped, "number", signal.SIGINT)
        except Exception as error:
            return failed(error)


def failed(error: Exception) -> int:
    """Say what ended a command and return its exit code."""
    if isinstance(error, UserError):
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return USER_ERROR
    from ft import backend

    if memory_is_exhausted(error, backend.loaded()):
        print("error: out of memory; try a smaller --batch-size, --image-size or network", file=sys.stderr)
        return USER_ERROR
    return report_bug(error)


def report_bug(error: Exception) -> int:
    """Save the stack trace of an internal error, say where it is, and return exit code 70."""
    import tempfile
    import traceback

    where = "the lines above"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ft-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        where = file.name
    except OSError:  # no room for it
        traceback.print_exception(error)
    what = printable(" ".join("".join(traceback.format_exception_only(error)).split()))
    print(f"internal error: {what}; this is a bug, please report it with {where}", file=sys.stderr)
    return INTERNAL_ERROR
