"""Deployable files that TensorFlow writes: SavedModel and LiteRT, and how to run each without this package."""

import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ft.backend.contract import Run, Taken
from ft.data import Preprocess
from ft.data.text.process import TextProcess
from ft.system import files
from ft_tf.graph import as_graph
from ft_tf.layers import FoundHeatmaps, FoundPoints, WithAuxiliary, litert_operators, native_decisions

SIGNATURE = "serving_default"
METADATA = "metadata.json"
Operators = Callable[[keras.Model], AbstractContextManager[None]]


class Exported(tf.Module):
    """Images to the outputs of these names, from normalised pixels (N, H, W, C), or raw ones, uint8 (N, H, W, C).

    operators: makes the context in which the network is traced.
    """

    def __init__(
        self, model: keras.Model, preprocess: Preprocess, *, raw: bool, names: Sequence[str], operators: Operators
    ) -> None:
        super().__init__()
        model = with_heatmaps(model) if "heatmaps" in names else model if len(names) > 1 else main_of(model)
        self.variables_ = [variable.value for variable in model.variables]
        dtype, size = tf.as_dtype(model.inputs[0].dtype), preprocess.crop
        mean, std = (tf.constant(values, dtype) for values in (preprocess.mean, preprocess.std))

        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            if raw:  # by the operations of Preprocess.normalise
                ordered = tf.cast(tf.gather(images, preprocess.order, axis=-1), dtype)
                images = preprocess.scaled(ordered, mean, std)
            with operators(model):
                outputs = model(images, training=False)
            return {name: outputs[name] for name in names} if len(names) > 1 else {names[0]: outputs}

        spec = tf.TensorSpec((None, size, size, preprocess.channels), tf.uint8 if raw else dtype, name="images")
        self.serve = as_graph(serve, [spec])


def main_of(model: keras.Model) -> keras.Model:
    """Return the same layers without the heads that only training runs."""
    if isinstance(model, WithAuxiliary):
        return model.main
    return keras.Model(model.inputs, model.output["out"]) if isinstance(model.output, dict) else model


def with_heatmaps(model: keras.Model) -> keras.Model:
    """Return the same layers, but that heatmaps are given and not the keypoints that the host reads in them."""
    found = {name: dict(model.output)[name] for name in ("boxes", "scores", "classes")}
    (points,) = (layer for layer in model.layers if isinstance(layer, FoundPoints))
    heatmaps = FoundHeatmaps(dtype=points.dtype_policy)([points.input[0], found["classes"]])
    return keras.Model(model.inputs, {**found, "heatmaps": heatmaps})


class ExportedText(tf.Module):
    """Token numbers, where they are tokens, and types where the network has any, int64 (N, T), to logits.

    operators: makes the context in which the network is traced.
    """

    def __init__(self, model: keras.Model, names: Sequence[str], *, operators: Operators) -> None:
        super().__init__()
        self.variables_ = [variable.value for variable in model.variables]

        def serve(*given: tf.Tensor) -> dict[str, tf.Tensor]:
            with operators(model):
                return {"logits": model(dict(zip(names, given, strict=True)), training=False)}

        self.serve = as_graph(serve, [tf.TensorSpec((None, None), tf.int64, name=name) for name in names])


def export_model(
    model: keras.Model,
    path: Path,
    *,
    format: str,
    preprocess: Preprocess | TextProcess,
    raw: bool,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a network in inference mode as a file of `format` and return what else there is to know of the file.

    It takes `images` (N, crop, crop, 3), normalised, or if `raw` uint8, normalised by `preprocess` in the graph, and
    gives `logits` (N, classes), or maps of them (N, crop, crop, classes), for any N; a detector gives `boxes`, `scores`
    and `classes`, see `Found`, and what else its task says. One on text takes `ids`, `mask` and, if any, `types`, int64
    (N, T), for any N and T. The network stays as it is.
    metadata: plain values to be carried by the file: metadata.json in a SavedModel's assets.extra and in LiteRT's zip.
    """
    operators = built_in if format == "litert" else native_decisions
    if isinstance(preprocess, TextProcess):
        exported: Exported | ExportedText = ExportedText(model, names_of(metadata["input"]), operators=operators)
    else:
        exported = Exported(model, preprocess, raw=raw, names=names_of(metadata["output"]), operators=operators)
    return WRITERS[format](exported, path, metadata)


@contextmanager
def built_in(model: keras.Model) -> Iterator[None]:
    """Trace a network without the host, into operators that LiteRT has built in."""
    with native_decisions(model), litert_operators(model):
        yield


def names_of(tensors: Mapping[str, Any]) -> list[str]:
    """Return the names of what a file takes, or gives."""
    return tensors.get("names", [tensors["name"]])


def save(exported: Exported | ExportedText, path: Path) -> None:
    """Write a SavedModel. What the disk refuses is an OSError here too; TensorFlow has classes of its own for that."""
    try:
        tf.saved_model.save(exported, str(path), signatures={SIGNATURE: exported.serve})
    except (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError, tf.errors.UnknownError) as error:
        raise OSError(error.message) from error


def write_saved_model(exported: Exported | ExportedText, path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write a SavedModel; its folder assets.extra is the place for files that TensorFlow does not read."""
    save(exported, path)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / METADATA).write_text(files.json_text(metadata))
    return {"signature": SIGNATURE}


def write_litert(exported: Exported | ExportedText, path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write a LiteRT file of built-in operators, a zip archive at its end, as TFLite's files carry labels."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        save(exported, Path(folder))
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, files.json_text(metadata))
    return {"signature": SIGNATURE, "operators": "built-in"}


def run_exported(
    path: Path, given: np.ndarray | Mapping[str, np.ndarray], *, format: str
) -> np.ndarray | dict[str, np.ndarray]:
    """Return the logits that an exported file gives for images (N, H, W, 3), normalised or uint8 as it takes them.

    Maps of logits as (N, H, W, classes). Or for token numbers (N, T) by name, in the order that the file has. Of a
    file that gives several arrays, all by name.
    """
    arrays = RUNNERS[format](path, {"images": given} if isinstance(given, np.ndarray) else given)
    return arrays if len(arrays) > 1 else arrays["logits"]


def run_saved_model(path: Path, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a SavedModel in TensorFlow, without Keras and the code of the network."""
    return open_exported(path)[1](given)


def run_litert(path: Path, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a LiteRT file in the interpreter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(str(path))
    return interpreter.get_signature_runner(SIGNATURE)(**given)


def open_exported(path: Path) -> tuple[Taken, Run]:
    """Return what somebody's SavedModel takes, shape and type of every input by name, and a function that runs it."""
    loaded = tf.saved_model.load(str(path))
    name = SIGNATURE if SIGNATURE in loaded.signatures else next(iter(loaded.signatures))
    signature = loaded.signatures[name]
    takes = {
        key: (tuple(spec.shape) if spec.shape.rank is not None else (), spec.dtype.name)
        for key, spec in signature.structured_input_signature[1].items()
    }

    def run(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = signature(**{key: tf.constant(x) for key, x in given.items()})
        return {key: x.numpy() for key, x in outputs.items() if loaded is not None}  # it lives as long as this does

    return takes, run


WRITERS = {"savedmodel": write_saved_model, "litert": write_litert}
RUNNERS = {"savedmodel": run_saved_model, "litert": run_litert}
