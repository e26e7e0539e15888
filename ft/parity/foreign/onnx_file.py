"""An ONNX file, opened by onnxruntime, which needs no framework; in float32 where that has no operation in float64."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend.contract import Run, Taken

TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{f"tensor({t})": t for t in ("int8", "int16", "int32", "int64", "bool", "float16")},
    **{f"tensor({t})": t for t in ("uint8", "uint16", "uint32", "uint64")},
}
MISSING = "NotImplemented"  # what onnxruntime raises where it has an operation, but not in a type
IN_A_TYPE = ("to", "dtype")  # attributes that name the type of what an operation gives


def open_onnx(path: Path) -> tuple[Taken, Run, str]:
    """Return what a file takes, shape and type of every input by name, a function that runs it, and a remark or ""."""
    import onnxruntime

    remark = ""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        if type(error).__name__ != MISSING or (model := in_float32(path)) is None:
            raise
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        remark = f"{path.name} is in float64, in which onnxruntime lacks an operation of it"
    takes = {
        x.name: (
            tuple(side if isinstance(side, int) else None for side in x.shape),
            TYPES.get(str(x.type), str(x.type)),
        )
        for x in session.get_inputs()
    }
    names = [x.name for x in session.get_outputs()]
    return takes, lambda given: dict(zip(names, map(np.asarray, session.run(None, dict(given))), strict=True)), remark


def in_float32(path: Path) -> bytes | None:
    """Return a file with float32 wherever it has float64, None where it has none."""
    import onnx

    model, double = onnx.load(path), onnx.TensorProto.DOUBLE
    found = False
    for part in parts(model):
        if isinstance(part, onnx.TensorProto) and part.data_type == double:
            values = onnx.numpy_helper.to_array(part).astype(np.float32)
            part.CopyFrom(onnx.numpy_helper.from_array(values, part.name))
        elif isinstance(part, onnx.TypeProto.Tensor) and part.elem_type == double:
            part.elem_type = onnx.TensorProto.FLOAT
        elif isinstance(part, onnx.AttributeProto) and part.name in IN_A_TYPE and part.i == double:
            part.i = onnx.TensorProto.FLOAT
        else:
            continue
        found = True
    return model.SerializeToString() if found else None


def parts(message: Any) -> Iterator[Any]:
    """Yield every message inside of one, the innermost first."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "add") else [value]:  # it is repeated
                yield from parts(part)
                yield part
