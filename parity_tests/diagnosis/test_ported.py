"""What people port: networks as public packages write them, with weights and types that stock layers have not."""

import math
import sys
from types import ModuleType
from unittest.mock import patch

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn
from torch.nn import functional as F

from ft.parity.foreign.compare import compare_models
from parity_tests.support import ported_keras as K
from parity_tests.support import ported_torch as T
from parity_tests.support.foreign_pairs import in_process

WIDTH, HEADS, KEPT = 16, 4, 2  # of tokens; heads of queries, and of keys


def compared(torch_model, keras_model, folder, inputs, **options):
    """Return the findings, what differs, and the pairs."""
    module = ModuleType("theirs")
    module.torch, module.tf = torch_model, keras_model
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        how = {"inputs": inputs, "folder": folder, "batch_size": 3, **options}
        result = compare_models(torch="theirs:torch", tf="theirs:tf", **how)
        return result.findings, [row for row in result.verdict().rows if row.differs], result.pairing


class Conv1D(nn.Module):
    """A linear layer as GPT-2 has it: (inputs, outputs)."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs) / 4), nn.Parameter(torch.randn(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


class GPT2(nn.Module):
    """Two blocks of attention with a packed projection."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, WIDTH)
        self.packed = nn.ModuleList(Conv1D(3 * WIDTH, WIDTH) for _ in range(2))
        self.out = nn.ModuleList(Conv1D(WIDTH, WIDTH) for _ in range(2))

    def forward(self, ids, keep):
        x = self.embed(ids)
        for packed, out in zip(self.packed, self.out, strict=True):
            q, k, v = (z.unflatten(-1, (HEADS, -1)).transpose(1, 2) for z in packed(x).split(WIDTH, -1))
            mask = keep[:, None, None, :] & torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + out(y.transpose(1, 2).flatten(2))
        return x


class KerasGPT2(keras.Model):
    def __init__(self, width=WIDTH // HEADS):
        super().__init__()
        self.embed = L.Embedding(11, WIDTH)
        self.attention = [L.MultiHeadAttention(HEADS, width) for _ in range(2)]

    def call(self, ids, keep):
        x = self.embed(ids)
        for attention in self.attention:
            x = x + attention(x, x, attention_mask=keep[:, None, :], use_causal_mask=True)
        return x


class RMSNorm(nn.Module):
    """As Llama has it: in float32, whatever is computed in."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(WIDTH) + 0.5)

    def forward(self, x):
        y = x.to(torch.float32)
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * y.to(x.dtype)


def halves(x):
    one, two = x.chunk(2, -1)
    return torch.cat([-two, one], -1)


class Llama(nn.Module):
    """A block with rotary positions in float32, keys that two queries share, and a gate."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.last = nn.Embedding(11, WIDTH), RMSNorm(), RMSNorm()
        kept = KEPT * WIDTH // HEADS
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, n, bias=False) for n in (WIDTH, kept, kept, WIDTH))
        self.gate, self.up, self.down = (nn.Linear(*n, bias=False) for n in ((WIDTH, 24), (WIDTH, 24), (24, WIDTH)))

    def heads(self, z, count, angles):
        z = z.unflatten(-1, (count, -1)).transpose(1, 2)
        return z if angles is None else z * angles.cos().to(z.dtype) + halves(z) * angles.sin().to(z.dtype)

    def forward(self, ids):
        x = self.embed(ids)
        half = WIDTH // HEADS // 2
        rates = 1.0 / (10000 ** (torch.arange(0, 2 * half, 2, dtype=torch.float32) / (2 * half)))
        angles = torch.arange(ids.shape[1]).float()[:, None] * torch.cat([rates, rates])
        y = self.norm(x)
        q, k = self.heads(self.q(y), HEADS, angles), self.heads(self.k(y), KEPT, angles)
        v = self.heads(self.v(y), KEPT, None)
        k, v = (z.repeat_interleave(HEADS // KEPT, 1) for z in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        y = self.last(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class KerasRMSNorm(L.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")

    def call(self, x):
        y = ops.cast(x, "float32")
        y = y * ops.rsqrt(ops.mean(ops.square(y), -1, keepdims=True) + 1e-6)
        return ops.cast(y, self.compute_dtype) * self.scale


class KerasLlama(keras.Model):
    """With heads as axes of the weights, and these in one layer."""

    def __init__(self, dealt=False):
        super().__init__()
        self.dealt, width = dealt, WIDTH // HEADS
        self.embed, self.norm, self.last = L.Embedding(11, WIDTH), KerasRMSNorm(), KerasRMSNorm()
        shapes = {"wq": (WIDTH, HEADS, width), "wk": (WIDTH, KEPT, width), "wv": (WIDTH, KEPT, width)}
        made = {n: self.add_weight(shape=s, initializer="glorot_normal", name=n) for n, s in shapes.items()}
        self.wq, self.wk, self.wv = made.values()
        self.wo = self.add_weight(shape=(HEADS, width, WIDTH), initializer="glorot_normal", name="wo")
        self.gate, self.up, self.down = (L.Dense(n, use_bias=False) for n in (24, 24, WIDTH))

    def turned(self, x):
        half = x.shape[-1] // 2
        rates = ops.power(ops.cast(10000.0, "float32"), -ops.arange(0, 2 * half, 2, dtype="float32") / (2.0 * half))
        angles = ops.arange(x.shape[1], dtype="float32")[:, None, None] * rates
        cos, sin = (ops.cast(f(angles), self.compute_dtype) for f in (ops.cos, ops.sin))
        one, two = ops.split(x, 2, -1)
        return ops.concatenate([one * cos - two * sin, two * cos + one * sin], -1)

    def call(self, ids):
        x = self.embed(ids)
        y = self.norm(x)
        q, k, v = (ops.einsum("btd,dhw->bthw", y, w) for w in (self.wq, self.wk, self.wv))
        k, v = self.turned(k), v
        k, v = (ops.tile(z, (1, 1, 2, 1)) if self.dealt else ops.repeat(z, 2, 2) for z in (k, v))
        scores = ops.einsum("bihw,bjhw->bhij", self.turned(q), k) / math.sqrt(WIDTH // HEADS)
        seen = np.tril(np.ones(scores.shape[-2:], bool))
        shares = ops.softmax(ops.where(seen, scores, -1e30))
        x = x + ops.einsum("bthw,hwd->btd", ops.einsum("bhij,bjhw->bihw", shares, v), self.wo)
        y = self.last(x)
        return x + self.down(ops.silu(self.gate(y)) * self.up(y))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.norm = nn.BatchNorm1d(6)  # another difference, in training alone

    def forward(self, x):
        x = F.celu(self.norm(self.one(x)), 0.7)
        return self.out(x * F.hardsigmoid(self.two(x)))


class KerasGated(keras.Model):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = L.Dense(6), L.Dense(6), L.Dense(3)
        self.norm = L.BatchNormalization(epsilon=1e-5, momentum=0.9)

    def call(self, x, training=False):
        x = self.norm(self.one(x), training=training)
        x = ops.where(x > 0, x, 0.7 * ops.expm1(x / 0.7))
        return self.out(x * ops.hard_sigmoid(self.two(x)))


def test_weights_that_lie_the_other_way_pair_with_those_of_keras_own_attention(tmp_path):
    findings, differing, pairs = compared(GPT2, KerasGPT2, tmp_path, "ids:int<11>:6,keep:bool:6")
    assert not findings
    assert not differing
    assert {pair.torch for pair in pairs} >= {f"packed.1.weight[{16 * i}:{16 * i + 16}]" for i in range(3)}


@pytest.mark.parametrize(
    ("torch_model", "keras_model", "inputs", "told"),
    [
        pytest.param(
            *(T.Diffusion, K.diffusion, "x:map:3x8x8,t:float"),
            ("element order", "times.0", "joined along axis 1: 0, 1; tf: joined along axis 1: 1, 0"),
            marks=pytest.mark.slow,
        ),
        (T.CRNN, K.crnn, "image:map:1x8x12", ("element order", "model", "tf: axes (0, 1, 3, 2) then as it lies")),
        pytest.param(
            *(T.Table, K.Table, "num:float:5,cat:int<3>:3"),
            ("activation", "blocks.1", "torch: relu; tf: gelu(tanh)"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_network_that_two_wrote_is_equal_but_for_its_one_difference(torch_model, keras_model, inputs, told, tmp_path):
    findings, differing, _ = compared(torch_model, keras_model, tmp_path / "right", inputs)
    assert not findings
    assert {row.phase for row in differing} <= {"statistics"}
    (found,), _, _ = compared(torch_model, lambda: keras_model(bad=True), tmp_path / "wrong", inputs)
    assert ((found.entry, found.name), found.certain) == (told[:2], True)
    assert told[2] in found.detail


@pytest.mark.slow
def test_rounding_inside_of_both_is_told_as_that_and_a_fault_beside_it(tmp_path):
    findings, differing, _ = compared(Llama, KerasLlama, tmp_path / "right", "ids:int<11>:6")
    assert {(f.entry, f.name + "/" + f.part, f.certain) for f in findings} == {
        *(("rounding", f"{norm}/rsqrt", True) for norm in ("norm", "last")),
        *(("rotation", f"model/{turned}", True) for turned in ("add", "add.2")),
    }
    assert {row.phase for row in differing} <= {"inference", "forward", "loss", "gradients"}
    fault = lambda: KerasLlama(dealt=True)  # noqa: E731
    new, _, _ = compared(Llama, fault, tmp_path / "wrong", "ids:int<11>:6")
    (found,) = (f for f in new if f.entry not in ("rounding", "rotation"))
    assert (found.entry, found.certain, found.name) == ("attention", True, "model")
    assert "heads of keys in 2 groups, dealt out in turn" in found.detail


def test_a_derivative_that_pytorch_rounds_is_named(tmp_path):
    findings, differing, _ = compared(Gated, KerasGated, tmp_path, "x:float:5")
    assert {row.phase for row in differing} == {"statistics", "gradients"}
    told = {f.detail.partition("; at ")[0] for f in findings}
    assert told == {f"torch: its derivative with {words} in float32; tf: exact" for words in ("1/6", "1/alpha")}
    assert all(f.certain and f.entry == "activation" for f in findings)


@pytest.mark.parametrize("exact", [True, False])
def test_by_hand_they_are_what_pytorch_has(exact):
    from ft_torch.stranger import Exact

    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    with Exact(exact):
        ours = [F.hardsigmoid(x), F.celu(x, 0.7)]
    torch.testing.assert_close(ours, [F.hardsigmoid(x), F.celu(x, 0.7)], rtol=0, atol=1e-15)
