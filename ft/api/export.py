"""`ft export`: a run as a file that needs neither this package nor the network's code, checked before it is kept.

    read the run -> build it in the wing that writes the format -> write beside -> run the file -> compare -> rename

The file takes normalised or raw pixels and carries the class names; what was measured goes into a JSON file beside it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ft.api.export_check import check_images, check_texts, check_words, compared, refuse_difference
from ft.api.run import Run
from ft.backend import contract as backends
from ft.data import Preprocess
from ft.data.text.process import TextProcess
from ft.errors import RecipeError, RunError, listed, printable, unknown
from ft.parity.arrays import BARS
from ft.report.training.summary import FRAMEWORKS
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.system import files
from ft.system.names import EXPORTS, MODEL, TOKENIZER
from ft.system.progress import stages
from ft.system.quiet import quiet_stderr
from ft.zoo import TextCard
from ft.zoo.detector import Detector

PIXELS = ("normalised", "raw")
MAX_BYTES = 2_000_000_000  # of weights in a file that counts its bytes in 31 bits


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file. wing: the one that writes it; layout: of normalised pixels, raw ones are always NHWC.

    packages: what writing and running it takes beside the framework; float64: whether its runtime computes in it, else
    it is float32; bounded: it cannot be larger than 2 GB; folder: it is one; numbers: the type of token
    numbers.
    """

    name: str
    title: str
    wing: str
    ending: str
    layout: str
    packages: tuple[str, ...] = ()
    float64: bool = False
    bounded: bool = False
    folder: bool = False
    numbers: str = "int64"


KINDS = (
    Format(
        name="onnx",
        title="ONNX",
        wing="torch",
        ending=".onnx",
        layout="NCHW",
        packages=("onnx", "onnxscript", "onnxruntime"),
        bounded=True,
    ),
    Format(name="torch-export", title="torch.export archive", wing="torch", ending=".pt2", layout="NCHW", float64=True),
    Format(
        name="savedmodel",
        title="SavedModel",
        wing="tf",
        ending=".savedmodel",
        layout="NHWC",
        float64=True,
        folder=True,
    ),
    Format(name="litert", title="LiteRT", wing="tf", ending=".tflite", layout="NHWC", bounded=True),
)
FORMATS = {kind.name: kind for kind in KINDS}
SQUARES = "it takes squares, into which pictures are fitted; the run resizes them by their short side (max_size)\n"


@dataclass(frozen=True)
class Export:
    """A file that was written and checked. record: what stands in the JSON file beside it."""

    path: Path
    record: dict[str, Any]

    def __str__(self) -> str:
        takes, gives = self.record["input"], self.record["output"]
        facts = ", ".join([f"{key} {self.record[key]}" for key in ("opset", "operators") if key in self.record])
        return (
            f"wrote {printable(self.path)} ({FORMATS[self.record['format']].title}{facts and f', {facts}'}): "
            f"{takes['name']} {shape_words(takes)}, {takes['pixels']} -> {given_words(gives)}\n"
            f"{SQUARES if self.record['preprocess'].get('longest') else ''}"
            f"run again on {check_words(self.record['check'])}"
        )


def shape_words(tensor: dict[str, Any]) -> str:
    """Return type and shape of an input or output in words."""
    return f"{tensor['dtype']} ({', '.join(map(str, tensor['shape']))})"


def given_words(output: dict[str, Any]) -> str:
    """Return what a file gives in words."""
    if "names" not in output:
        return f"{output['name']} {shape_words(output)}"
    return ", ".join(f"{name} {shape_words(output['arrays'][name])}" for name in output["names"])


def export_run(
    run: str | Path,
    *,
    format: str,
    pixels: str = "normalised",
    out: str | Path | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Export:
    """Write a finished run as a deployable file, run that file, and return what was written and measured.

    run: its folder, of either wing. format: "onnx", "torch-export", "savedmodel" or "litert". pixels: "normalised", or
    "raw", uint8 (N, crop, crop, 3), normalised in the file. out: the file, RUN/export/NETWORK.ENDING if left out.
    force: replace it; quiet: without progress. Raises UserError, one line, and leaves nothing behind: for a mistake,
    before a framework loads, and for a file whose answers on the run's validation images are not those of the run.
    """
    kind = find_format(format)
    if pixels not in PIXELS:
        raise RecipeError(f"pixels: {unknown('value', pixels, PIXELS)}")
    trained = opened(run, kind.wing)
    if pixels == "raw" and trained.card.inputs == "text":
        raise RecipeError("pixels: raw, but a run on text is exported with token numbers as input; leave it out")
    target = find_target(trained, kind, raw=pixels == "raw", out=out, force=force)
    require_writer(kind)
    require_room(trained, kind)
    with publishing(target) as temporary, stages(3, quiet=quiet) as begin:
        record = write(trained, temporary, kind, raw=pixels == "raw", begin=begin)
        refuse_difference(record["check"], target)
        record["sha256"] = digests(temporary)
        if isinstance(trained.preprocess, TextProcess):
            record["tokenizer"] = f"{target.name}.{TOKENIZER}"
            files.write_text(target.with_name(record["tokenizer"]), trained.preprocess.tokenizer.to_json())
        files.write_json(beside(target), record)
    return Export(target, record)


def find_format(name: str) -> Format:
    """Return the format called `name`; RecipeError for no such one."""
    if name not in FORMATS:
        raise RecipeError(f"{unknown('format', name, FORMATS)} (known: {listed(FORMATS)})")
    return FORMATS[name]


def opened(folder: str | Path, wing: str, *, precision: str | None = None) -> Run:
    """Return a run as its network is built for an export: on the CPU, in its own precision or another."""
    run = Run(folder, backend=wing)
    run.result["recipe"]["device"] = "cpu"
    run.result["recipe"]["precision"] = precision or precision_of(run)
    return run


def precision_of(run: Run) -> str:
    """Return the type of a run's weights."""
    return run.recipe.dtype


def find_target(run: Run, kind: Format, *, raw: bool, out: str | Path | None, force: bool) -> Path:
    """Return where to write. RecipeError where that cannot be, or exists and may not be replaced."""
    name = runfolder.file_name(run.result["architecture"]) + "-raw" * raw + kind.ending
    path = Path(out) if out else run.folder / EXPORTS / name
    if out and path.suffix != kind.ending and not kind.folder:
        raise RecipeError(f"--out {path}: {kind.name} files end in {kind.ending}; choose a name like {name}")
    if out and not os.path.isdir(path.absolute().parent):
        raise RecipeError(f"--out {path}: there is no folder {path.parent}; make it first, or choose another --out")
    if os.path.exists(path):
        if os.path.isdir(path) != kind.folder or (kind.folder and not (path / "saved_model.pb").is_file()):
            raise RecipeError(
                f"{path} exists and is no {kind.name} {'folder' if kind.folder else 'file'}; choose another --out"
            )
        if not force:
            raise RecipeError(f"{path} exists; choose another --out, or replace it with --force")
    return path


def require_writer(kind: Format) -> None:
    """Raise RecipeError, with what to install, unless the framework and the packages of a format are there."""
    try:
        backends.require(kind.wing)
    except RecipeError as error:
        others = listed(other for other, its in FORMATS.items() if its.wing != kind.wing)
        raise RecipeError(f"format {kind.name}: {error}, or write {others}") from None
    missing = [package for package in kind.packages if find_spec(package) is None]
    if missing:
        raise RecipeError(f'format {kind.name}: {" and ".join(missing)} not installed; pip install "ft-parity[export]"')


def require_room(run: Run, kind: Format) -> None:
    """Raise RunError where a format cannot hold so many weights."""
    size = (run.folder / MODEL).stat().st_size
    size = size // 2 if precision_of(run) == "float64" and not kind.float64 else size
    if kind.bounded and size > MAX_BYTES:
        roomy = listed(name for name, its in FORMATS.items() if not its.bounded)
        raise RunError(f"{run.folder}: {size / 1e9:.1f} GB of weights, {kind.name} holds 2 GB; write {roomy}")


def write(run: Run, path: Path, kind: Format, *, raw: bool, begin: Callable[[str], None]) -> dict[str, Any]:
    """Write a run to `path`, run the file, and return all there is to know of it but its hash.

    begin: told what comes next.
    """
    begin(f"export: building {run.result['architecture']} in {FRAMEWORKS[kind.wing]}")
    trained_in = precision_of(run)
    dtype = trained_in if kind.float64 else "float32"
    way = run.preprocess
    sample = check_texts(run, way) if isinstance(way, TextProcess) else check_images(run, way, raw=raw)
    with quiet_stderr():
        expected = run.learner.outputs(sample.given(trained_in))
        written = run if dtype == trained_in else opened(run.folder, run.backend, precision=dtype)
        wing = backends.load(run.backend)
        metadata = describe(run, kind, expected, dtype=dtype, raw=raw)
        begin(f"export: writing {kind.title}")
        facts = wing.export_model(
            written.model, path, format=kind.name, preprocess=run.preprocess, raw=raw, metadata=metadata
        )
        begin(f"export: running it on {sample.source}")
        parts = [sample.fed(count, dtype) for count in (1, None)]
        answers = [wing.run_exported(path, part, format=kind.name) for part in parts]
    check = {
        **compared(run, expected, list(zip(parts, answers, strict=True)), BARS[dtype]),
        "images": sample.source,
        "note": "" if dtype == trained_in else f"; the run is {trained_in}, {kind.name} {dtype}",
    }
    return {**metadata, **facts, "check": check}


def describe(run: Run, kind: Format, outputs: Mapping[str, np.ndarray], *, dtype: str, raw: bool) -> dict[str, Any]:
    """Return what a file carries: what the network is, what it takes and what it gives. outputs: of the run."""
    way, packages = run.preprocess, ("ft-parity", *backends.FRAMEWORKS[run.backend], *kind.packages)
    is_text = isinstance(way, TextProcess)
    taken = text_input(way, kind) if is_text else image_input(way, kind, dtype=dtype, raw=raw)
    return {
        "format": kind.name,
        "architecture": run.result["architecture"],
        "task": run.task.name,
        "classes": list(run.classes),
        "preprocess": run.preprocess.to_dict(),
        "input": taken,
        "output": output_of(run, kind, outputs, dtype),
        "weights_sha256": run.result["sha256"][MODEL],
        "versions": {package: version(package) for package in packages},
    }


def output_of(run: Run, kind: Format, outputs: Mapping[str, np.ndarray], dtype: str) -> dict[str, Any]:
    """Return the names, types and shapes of what a file gives."""
    names = list(run.task.outputs)
    if len(names) == 1:
        return {"name": names[0], "dtype": dtype, **shape_of(run, kind)}
    arrays = {name: {"dtype": dtype, "shape": ["batch", *shape]} for name, shape in shapes_of(run, outputs).items()}
    arrays["classes"]["dtype"] = "int64"
    return {"name": ", ".join(names), "names": names, "arrays": arrays}


def shapes_of(run: Run, outputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a detector's file gives of a picture. A run keeps keypoints and no heatmaps."""
    shapes = {name: x.shape[1:] for name, x in outputs.items()}
    if "keypoints" in shapes and isinstance(run.card.detector, Detector):
        side = 4 * run.card.detector.mask_size
        shapes["heatmaps"] = (*shapes["keypoints"][:2], side, side)
    return {name: shapes[name] for name in run.task.outputs}


def shape_of(run: Run, kind: Format) -> dict[str, Any]:
    """Return the shape of the logits that a file gives, and the layout where they are maps."""
    if isinstance(run.card, TextCard) and run.task.answer != "sequence":
        count = run.card.config.vocabulary if run.task.answer == "lm" else len(run.classes)
        return {"layout": "NTC", "shape": ["batch", "tokens", count]}
    if run.task.labels != "masks":
        return {"shape": ["batch", len(run.classes)]}
    size, classes = run.preprocess.crop, len(run.classes)
    shape = ["batch", classes, size, size] if kind.layout == "NCHW" else ["batch", size, size, classes]
    return {"layout": kind.layout, "shape": shape}


def image_input(way: Preprocess, kind: Format, *, dtype: str, raw: bool) -> dict[str, Any]:
    """Return what a file takes of images."""
    size, layout, channels = way.crop, "NHWC" if raw else kind.layout, way.channels
    return {
        "name": "images",
        "pixels": "raw" if raw else "normalised",
        "dtype": "uint8" if raw else dtype,
        "layout": layout,
        "shape": ["batch", size, size, channels] if layout == "NHWC" else ["batch", channels, size, size],
    }


def text_input(way: TextProcess, kind: Format) -> dict[str, Any]:
    """Return what a file takes of texts: the tokenizer's numbers, 1 for a token and 0 for padding, and types."""
    names = ["ids", "mask", *["types"] * way.types]
    return {
        "name": ", ".join(names),
        "names": names,
        "pixels": "token numbers",
        "dtype": kind.numbers,
        "layout": "NT",
        "shape": ["batch", "tokens"],
    }


def digests(path: Path) -> str | dict[str, str]:
    """Return the sha256 of a file, or of each file of a folder."""
    if path.is_file():
        return checkpoint.sha256_of(path)
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): checkpoint.sha256_of(file) for file in inside}


def beside(path: Path) -> Path:
    """Return the JSON file that belongs to an exported file or folder."""
    return path.with_name(f"{path.name}.json")


@contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """Give a temporary name for `target`. Where the block fails nothing stays, not even a folder made for it."""
    is_new = not target.parent.exists()
    try:
        with files.publishing(target) as temporary:
            files.make_folder(target.parent)
            yield temporary
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty: all went well
                target.parent.rmdir()
