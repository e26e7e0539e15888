"""Deployable files that PyTorch writes: ONNX and torch.export's archive, and how to run each without this package."""

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ft.backend.contract import Run, Taken
from ft.data import Preprocess
from ft.data.text.process import TextProcess
from ft.parity.foreign.onnx_file import open_onnx
from ft.system import files
from ft_torch.layers.native import Native, onnx_table

OPSET = 18  # the one that PyTorch's exporter is written in; another would be a conversion of it
METADATA = "metadata.json"
EXAMPLE = 8  # tokens of a text to trace with
AUXILIARY = ("aux1", "aux2", "AuxLogits", "aux_classifier")  # torchvision's heads that only training runs


class Exported(nn.Module):
    """Images to the outputs of these names, from normalised pixels (N, C, H, W), or raw ones, uint8 (N, H, W, C)."""

    def __init__(self, model: nn.Module, preprocess: Preprocess, *, raw: bool, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.preprocess, self.raw, self.names = deployable(model), preprocess, raw, names
        self.dtype = next(model.parameters()).dtype

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.model(self.normalised(images) if self.raw else images)
        if len(self.names) > 1:
            return tuple(outputs[name] for name in self.names)
        return outputs["out"] if isinstance(outputs, dict) else outputs  # networks for segmentation name theirs

    def normalised(self, images: Tensor) -> Tensor:
        """Return raw pixels as the network takes them, by the operations of `Preprocess.normalise`."""
        mean, std = (torch.tensor(values, dtype=self.dtype) for values in (self.preprocess.mean, self.preprocess.std))
        ordered = images[..., list(self.preprocess.order)].to(self.dtype)
        return self.preprocess.scaled(ordered, mean, std).permute(0, 3, 1, 2)

    def example(self) -> tuple[Tensor]:
        """Return input to trace with; two images, for a batch of one would be taken for the only size."""
        size, channels = self.preprocess.crop, self.preprocess.channels
        if self.raw:
            return (torch.zeros((2, size, size, channels), dtype=torch.uint8),)
        return (torch.zeros((2, channels, size, size), dtype=self.dtype),)

    def shapes(self) -> tuple[dict[int, Any]]:
        """Return which axes of the input are of any size."""
        return ({0: Dim("batch")},)


class ExportedText(nn.Module):
    """Token numbers, where they are tokens, and types where the network has any, int64 (N, T), to logits."""

    def __init__(self, model: nn.Module, preprocess: TextProcess) -> None:
        super().__init__()
        self.model, self.preprocess = deployable(model), preprocess

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        given = {"ids": ids, "mask": mask}
        return self.model(given if types is None else {**given, "types": types})

    def example(self) -> tuple[Tensor, ...]:
        """Return input to trace with, of two texts and several tokens, for one would be taken for the only size."""
        ids = torch.full((2, EXAMPLE), self.preprocess.pad)
        rest = [torch.zeros_like(ids)] * self.preprocess.types
        return (ids, torch.ones_like(ids), *rest)

    def shapes(self) -> tuple[dict[int, Any], ...]:
        """Return which axes of the input are of any size."""
        return ({0: Dim("batch"), 1: Dim("tokens", max=self.preprocess.max_length)},) * len(self.example())


def deployable(model: nn.Module) -> nn.Module:
    """Return a copy in inference mode, without auxiliary heads, its weights in the layout of their shapes."""
    model = copy.deepcopy(model).eval().to(memory_format=torch.contiguous_format)
    for name in AUXILIARY:
        if hasattr(model, name):
            setattr(model, name, None)
    return model


def export_model(
    model: nn.Module,
    path: Path,
    *,
    format: str,
    preprocess: Preprocess | TextProcess,
    raw: bool,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a network in inference mode as a file of `format` and return what else there is to know of the file.

    It takes `images` (N, 3, crop, crop), normalised, or if `raw` uint8 (N, crop, crop, 3), normalised by `preprocess`
    in the graph, and gives `logits` (N, classes), or maps of them (N, classes, crop, crop), for any N; a detector gives
    `boxes`, `scores` and `classes`, see `Found`, and what else its task says. One on text takes `ids`, `mask` and, if
    any, `types`, int64 (N, T), for any N and T. The network stays as it is.
    metadata: plain values to be carried by the file: ONNX has a property for each, an archive has metadata.json.
    """
    if isinstance(preprocess, TextProcess):
        exported: Exported | ExportedText = ExportedText(model, preprocess)
    else:
        exported = Exported(model, preprocess, raw=raw, names=names_of(metadata["output"]))
        for layer in exported.modules():
            if isinstance(layer, Native):
                layer.for_onnx = format == "onnx"
    return WRITERS[format](trace(exported), path, metadata)


def trace(exported: "Exported | ExportedText") -> ExportedProgram:
    """Return the graph for any batch size, without the paths of source files that PyTorch notes in it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`create_unbacked_symint` is deprecated")  # torchvision's own
        program = torch.export.export(exported, exported.example(), dynamic_shapes=exported.shapes())
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            node.meta.pop("stack_trace", None)
    return program


def write_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write ONNX, the weights inside."""
    onnx = torch.onnx.export(
        program,
        input_names=names_of(metadata["input"]),
        output_names=names_of(metadata["output"]),
        opset_version=OPSET,
        custom_translation_table=onnx_table(),
        external_data=False,
        verbose=False,
    )
    assert onnx is not None
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    onnx.model.metadata_props.update(texts)
    for node in onnx.model.graph.all_nodes():
        node.metadata_props.clear()
    onnx.save(path, external_data=False)
    return {"opset": OPSET}


def names_of(tensors: Mapping[str, Any]) -> list[str]:
    """Return the names of what a file takes, or gives."""
    return tensors.get("names", [tensors["name"]])


def write_archive(program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write torch.export's archive."""
    with open(path, "wb") as file:  # by its name, PyTorch would write that into the archive
        torch.export.save(program, file, extra_files={METADATA: files.json_text(metadata)})
    return {}


def run_exported(
    path: Path, given: np.ndarray | Mapping[str, np.ndarray], *, format: str
) -> np.ndarray | dict[str, np.ndarray]:
    """Return the logits that an exported file gives for images (N, H, W, 3), normalised or uint8 as it takes them.

    Maps of logits as (N, H, W, classes). Or for token numbers (N, T) by name, in the order that the file has. Of a
    file that gives several arrays, all by name.
    """
    if isinstance(given, np.ndarray):
        given = {"images": given if given.dtype == np.uint8 else given.transpose(0, 3, 1, 2)}
    arrays = RUNNERS[format](path, {name: np.ascontiguousarray(array) for name, array in given.items()})
    if len(arrays) > 1:
        return arrays
    return arrays["logits"].transpose(0, 2, 3, 1) if arrays["logits"].ndim == 4 else arrays["logits"]


def run_onnx(path: Path, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run ONNX in onnxruntime."""
    return open_exported(path)[1](given)


@torch.no_grad()
def run_archive(path: Path, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run an archive in PyTorch, without the code of the network."""
    extra = {METADATA: ""}
    program = torch.export.load(path, extra_files=extra)
    outputs = program.module()(*map(torch.from_numpy, given.values()))
    names = names_of(json.loads(extra[METADATA])["output"])
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {name: x.numpy() for name, x in zip(names, outputs, strict=True)}


def open_exported(path: Path) -> tuple[Taken, Run]:
    """Return what somebody's ONNX file takes, shape and type of every input by name, and a function that runs it."""
    return open_onnx(path)[:2]


WRITERS = {"onnx": write_onnx, "torch-export": write_archive}
RUNNERS = {"onnx": run_onnx, "torch-export": run_archive}
