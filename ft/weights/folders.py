"""A folder in the place of a weights file: what it is, and what to pass instead."""

import os
from pathlib import Path

from ft.errors import listed, printable
from ft.system.names import MODEL, RECIPE, RESULT

ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".h5", ".keras")
SHARDED = (".index.json", "weights of several files, which are not read; save them again in one")


def of_folder(folder: Path) -> str:
    """Return what is said of a folder where a file of weights was expected."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f"is a folder that cannot be read ({error.strerror}); pass a weights file"
    files = [name for name in names if name.endswith(ENDINGS)]
    what = kind_of(names)
    if any(name.endswith(SHARDED[0]) for name in names):
        return f"is {what} with {SHARDED[1]}"
    if "saved_model.pb" in names:
        return f"is {what} without names of layers; pass what model.save_weights('NAME.weights.h5') writes"
    if RESULT in names and RECIPE in names and MODEL not in names:
        return f"is {what} without its weights; pass the folder of a run that is finished, with /{MODEL}"
    best = next((name for name in files if name in (MODEL, "pytorch_model.bin")), None)
    if best or len(files) == 1:
        return f"is {what}; pass its file {printable(folder / (best or files[0]))}"
    if files:
        return f"is {what}; pass one of its files: {listed(map(printable, files), 5)}"
    return f"is {what} without weights; pass a .safetensors, .pth, .h5 or .keras file"


def kind_of(names: list[str]) -> str:
    """Return what a folder is, by the names of what lies in it."""
    if "saved_model.pb" in names:
        return "a SavedModel"
    if RECIPE in names:
        return "the folder of a run"
    if "config.json" in names or "pytorch_model.bin" in names:
        return "a folder of Hugging Face's"
    return "a folder"
