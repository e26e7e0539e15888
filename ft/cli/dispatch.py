"""`ft COMMAND ...`: the table of commands, each found in its file when it is called."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from ft.cli.guard import guarded
from ft.errors import RecipeError, printable

COMMANDS = {  # name -> its function in this folder, imported when it runs; what it does
    "train": ("train.train", "fine-tune a network: classes, masks, boxes, keypoints, texts"),
    "launch": ("launch.launch", "fine-tune in several processes of this machine"),
    "evaluate": ("runs.evaluate", "test a run, or a network as it came"),
    "predict": ("predict.predict", "say what is on images, or what texts are"),
    "report": ("runs.report", "write a run's report.html again: curves, classes, calibration, mistakes"),
    "compare": ("parity.compare", "find where two implementations part, and why; or put two runs side by side"),
    "data": ("data.data", "check images, masks, boxes or texts before training on them"),
    "convert": ("convert.convert_command", "turn a checkpoint into another format, or another framework's"),
    "export": ("export.export_command", "turn a run into ONNX, a torch.export archive, SavedModel or LiteRT"),
    "trace": ("parity.trace", "write what every layer and gradient of a few steps is"),
    "differences": ("parity.differences", "where PyTorch and Keras differ, taught one by one"),
    "lr-find": ("lr_find.lr_find", "suggest a learning rate"),
    "bench": ("bench.bench", "time this project beside the loops that people write by hand"),
    "cache": ("cache.cache", "list the features that are kept on disk; ft cache clear removes them"),
    "models": ("models.models", "list the networks; ft models show NAME: one by stage"),
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
            + "\n\nft COMMAND --help tells more, ft --version which version this is"
        )
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"ft-parity {version('ft-parity')}")
        return 0
    if arguments[0] not in COMMANDS:
        near = get_close_matches(arguments[0], COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise RecipeError(f"unknown command '{printable(arguments[0])}'; {hint}the commands are {', '.join(COMMANDS)}")
    module, _, function = COMMANDS[arguments[0]][0].partition(".")
    return getattr(import_module(f"ft.cli.{module}"), function)(arguments[1:])
