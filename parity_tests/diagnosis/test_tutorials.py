"""Networks as tutorials write them, in both frameworks: equal as they are, and a fault in one is told where it is."""

import sys
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from unittest.mock import patch

import pytest

from ft.differences import Evidence, find_all
from ft.parity.foreign.compare import compare_models
from parity_tests.support import tutorials_keras as K
from parity_tests.support import tutorials_torch as T
from parity_tests.support.foreign_pairs import in_process

ALL = ("inference", "forward", "gradients", "loss")
EXACT = {"complex numbers": ALL, "experts": ALL}  # there Keras's gelu is met, which rounds
ROUNDED = "gelu, sqrt(1/2) in float32"  # Keras's own, whatever is computed in


@dataclass(frozen=True)
class Pair:
    """Two networks, what they take, the fault of either as options, and the places and words that must be told."""

    torch: object
    keras: object
    inputs: str
    in_torch: dict
    told: tuple[tuple[str, str, str], ...]  # family, place, words
    in_keras: dict | None = None


def fault(torch, keras, inputs, in_torch, *told, **in_keras):
    return Pair(torch, keras, inputs, in_torch, told, in_keras)


QUICK = {
    "rotary attention": fault(
        *(T.Llama, K.Llama, "ids:int<25>:7", {"inter": True}),
        ("rotation", "model/flatten", "neighbours, base 10000; tf: rotary positions along axis 2: both halves"),
        ("rotation", "model/flatten.2", "neighbours"),
    ),
    "gates behind unused layers": fault(
        *(T.WaveNet, K.wavenet, "x:map:1x18", {"swap": True}),
        *(("activation", "model/tanh.2", "tf: sigmoid"), ("activation", "model/sigmoid.2", "tf: tanh")),
    ),
    "a limit behind a norm": fault(
        *(T.DSep, K.dsep, "3x15x15", {"six": True}),
        ("activation", "b2.3", "torch: relu; tf: relu6"),
    ),
    "places": fault(
        *(T.Places, K.Places, "ids:int<19>:7", {}),
        ("positions", "model/add", "plus rows 0, 1, 2, 3 ... of places.weight; tf: plus rows 1, 2, 3, 4 ... of places"),
        start=1,
    ),
    "complex numbers": fault(
        *(T.FNet, K.FNet, "x:float:5x5", {"ortho": True}),
        ("combination", "model/fft_fft2", "tf: 6.32455532033676 * x after it"),
    ),
}
MORE = {
    "transposed convolutions": fault(
        *(T.ConvAE, K.convae, "3x16x16", {"k": 3}),
        ("transposed convolution", "dec.0", "cropped by 1 before and 0 after; tf: transposed, stride 2, cropped by 0"),
        kernel=3,
    ),
    "causal series": fault(
        *(T.TCN, K.tcn, "x:map:3x20", {"acausal": True}),
        ("convolution", "convs.1", "padded by 2 on each side, stride 1, dilation 2; tf: padded by 4 before and 0"),
    ),
    "capsules": fault(T.Caps, K.Caps, "1x15x15", {"axis": 1}, ("operation", "model/div.2", "div")),
    "pixel shuffle": fault(
        *(T.SRNet, K.srnet, "3x8x8", {}),
        ("element order", "model/pixel_shuffle", "channels within a pixel"),
        right=False,
    ),
    "directions": fault(
        *(T.Tagger, K.tagger, "ids:int<15>:8", {}),
        ("element order", "rnn/gru", "the second half along axis 2 turned along axis 1"),
        right=False,
    ),
    "variational": fault(
        *(T.VAE, K.vae, "x:float:12,noise:float:3", {"var": True}),
        ("activation", "model/exp", "tf: sqrt after it"),
    ),
    "two towers": fault(T.NCF, K.ncf, "user:int<11>,item:int<17>", {"cos": True}, ("operation", "model/sum", "sum")),
    "points": fault(
        *(T.PointNet, K.PointNet, "points:float:9x3", {"turned": True}),
        ("product", "model/matmul", "torch: x0 @ x1; tf: x0 @ x1 turned"),
    ),
    "text convolutions": fault(
        *(T.TextCNN, K.textcnn, "ids:int<30>:12", {"order": True}),
        ("element order", "model/cat", "torch: joined along axis 1: 0, 1, 2; tf: joined along axis 1: 2, 1, 0"),
    ),
    "highway": fault(T.Highway, K.highway, "x:float:6", {"inverted": True}, ("operation", "model/add.2", "add")),
    "cross attention": fault(
        *(T.Cross, K.Cross, "x:float:6x5,keep:bool:6", {}),
        ("mask", "att/masked_fill_", "LogicalNot"),
        inverted=True,
    ),
    "asking": fault(
        *(T.Asking, K.Asking, "source:int<20>:7,target:int<21>:5,keep:bool:7", {}),
        ("attention", "att/multi_head_attention_forward", "the mask keeps, scale 0.5; tf: 4 heads, all positions"),
        masked=False,
    ),
    "nodes": fault(
        *(T.Nodes, K.Nodes, "nodes:float:6x5,edges:bool:6x6", {}),
        ("division", "model/mul.2", "over the roots of its sums along the last two axes; tf: over its sum along axis"),
        rows=True,
    ),
    "experts": fault(
        *(T.MoE, K.MoE, "x:float:6", {"temp": 2.0}),
        ("softmax", "model/softmax", "torch: softmax along axis 1, of 0.5 times the input; tf: softmax along axis 1"),
    ),
    "weight norm": fault(
        *(T.WNorm, K.wnorm, "x:float:6", {}),
        ("combination", "l1", "a number for each output"),
        eps=0.1,
    ),
}
BESIDE = {"cross attention": {"operation"}, "asking": {"mask"}}  # the attention that takes the mask, and the mask


def compared(pair, folder, *, faulty):
    """Return the findings of a comparison, and the kinds of all that differs."""
    module = ModuleType("theirs")
    module.torch = partial(pair.torch, **(pair.in_torch if faulty else {}))
    module.tf = partial(pair.keras, **((pair.in_keras or {}) if faulty else {}))
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        result = compare_models(torch="theirs:torch", tf="theirs:tf", inputs=pair.inputs, folder=folder, batch_size=4)
        rows = [row for row in result.verdict().rows if row.differs]
    return [f for f in result.findings if ROUNDED not in f.detail or faulty], rows


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)], ids=lambda name: name
)
def test_a_tutorial_is_equal_and_its_fault_is_told(name, tmp_path):
    pair = (QUICK | MORE)[name]
    findings, rows = compared(pair, tmp_path / "right", faulty=False)
    assert not findings
    assert {row.phase for row in rows if ROUNDED not in row.fault} <= {"statistics", "parameters", *EXACT.get(name, ())}
    findings, _ = compared(pair, tmp_path / "wrong", faulty=True)
    new = [f for f in findings if ROUNDED not in f.detail.partition("; tf: ")[2].partition("; at ")[0]]
    told = {(f.entry, f.name + (f"/{f.part}" if f.part else "")): f for f in new}
    for family, place, words in pair.told:
        assert words in told.pop((family, place)).detail
    assert not told or {f.entry for f in told.values()} <= BESIDE.get(name, set()), told


def test_a_layer_that_pads_is_no_padding_of_another_kind(tmp_path):
    """And the scale of the pixels before it is named, as networks of keras.applications have it."""

    class Padded(T.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = T.nn.Conv2d(3, 4, 3, 2), T.nn.Linear(4, 2)

        def forward(self, x):
            return self.head(T.F.relu(self.stem(T.F.pad(x, (0, 1, 0, 1)))).mean((2, 3)))

    def rescaled():
        x = images = K.keras.Input((8, 8, 3))
        x = K.L.ZeroPadding2D(((0, 1), (0, 1)))(K.L.Rescaling(1 / 255)(x))
        x = K.L.GlobalAveragePooling2D()(K.L.Conv2D(4, 3, 2, activation="relu")(x))
        return K.keras.Model(images, K.L.Dense(2)(x))

    module = ModuleType("theirs")
    module.torch, module.tf = Padded, rescaled
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        result = compare_models(torch="theirs:torch", tf="theirs:tf", inputs="3x8x8", folder=tmp_path, batch_size=4)
        causes = [f.entry for f in find_all(Evidence(result.torch, result.tf, result.verdict()))]
    assert "padding" not in causes
    (finding,) = result.findings
    assert (finding.entry, finding.certain) == ("combination", True)
    assert "tf: 0.00392156" in finding.detail


def test_a_spectral_norm_of_one_side_alone_is_named_with_its_factor(tmp_path):
    pair = fault(T.GANDisc, K.gandisc, "3x16x16", {})
    findings, _ = compared(pair, tmp_path, faulty=False)
    factors = [f.detail for f in findings if f.entry == "combination"]
    assert len(factors) == 3
    assert all("times that" in detail or "* x" in detail for detail in factors)
