"""Networks as people write them in PyTorch who have read a tutorial: what ported_keras.py has in Keras."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Positions(nn.Module):
    """The time of a diffusion as sines and cosines."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, t: Tensor) -> Tensor:
        half = self.dim // 2
        freqs = torch.exp(torch.arange(half, dtype=t.dtype) * -(math.log(10000) / (half - 1)))
        angles = t[:, None] * freqs[None]
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, times: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(times, outputs))
        self.norm2, self.conv2 = nn.GroupNorm(4, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(t)[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + self.skip(x)


class AttentionBlock(nn.Module):
    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.GroupNorm(4, channels)
        self.qkv, self.proj = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w).unbind(1)
        shares = (torch.einsum("bhdi,bhdj->bhij", q, k) * (c // self.heads) ** -0.5).softmax(-1)
        return x + self.proj(torch.einsum("bhij,bhdj->bhdi", shares, v).reshape(n, c, h, w))


class Diffusion(nn.Module):
    """A small U-Net that takes a time."""

    def __init__(self, c: int = 8, times: int = 16) -> None:
        super().__init__()
        self.times = nn.Sequential(Positions(c), nn.Linear(c, times), nn.SiLU(), nn.Linear(times, times))
        self.stem, self.down = nn.Conv2d(3, c, 3, padding=1), nn.Conv2d(c, c, 3, stride=2, padding=1)
        self.d1, self.d2, self.m1 = (ResBlock(*n, times) for n in ((c, c), (c, 2 * c), (2 * c, 2 * c)))
        self.attention, self.m2 = AttentionBlock(2 * c), ResBlock(2 * c, 2 * c, times)
        self.u2, self.up, self.u1 = ResBlock(4 * c, c, times), nn.Conv2d(c, c, 3, padding=1), ResBlock(2 * c, c, times)
        self.norm, self.out = nn.GroupNorm(4, c), nn.Conv2d(c, 3, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        t = self.times(t)
        a = self.d1(self.stem(x), t)
        b = self.d2(self.down(a), t)
        h = self.m2(self.attention(self.m1(b, t)), t)
        h = self.u2(torch.cat([h, b], 1), t)
        h = self.up(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.out(F.silu(self.norm(self.u1(torch.cat([h, a], 1), t))))


class CRNN(nn.Module):
    """Reads a word, column by column."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        first, second = nn.Conv2d(1, 6, 3, 1, 1), nn.Conv2d(6, 8, 3, 1, 1, bias=False)
        norm = nn.BatchNorm2d(8)
        down = nn.MaxPool2d(2, 2), nn.MaxPool2d((2, 1), (2, 1))
        self.cnn = nn.Sequential(first, nn.ReLU(inplace=True), down[0], second, norm, nn.ReLU(inplace=True), down[1])
        self.rnn = nn.LSTM(8 * 2, 5, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(10, classes)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.cnn(image)
        n, c, h, w = maps.shape
        columns, _ = self.rnn(maps.permute(0, 3, 1, 2).reshape(n, w, c * h))
        return self.fc(columns).log_softmax(2)


class Tokenizer(nn.Module):
    """Numbers and categories of a row as tokens, one for the row before them."""

    def __init__(self, numbers: int, sizes: list[int], d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(numbers + 1, d) * 0.3)
        self.bias = nn.Parameter(torch.randn(numbers + len(sizes), d) * 0.3)
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        self.table = nn.Embedding(sum(sizes), d)

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        x = torch.cat([torch.ones(len(num), 1, dtype=num.dtype), num], 1)
        x = torch.cat([self.weight[None] * x[:, :, None], self.table(cat + self.offsets[None])], 1)
        return x + torch.cat([torch.zeros(1, self.bias.shape[1], dtype=x.dtype), self.bias])[None]


class TableBlock(nn.Module):
    def __init__(self, d: int, heads: int, first: bool) -> None:
        super().__init__()
        self.heads, self.n0 = heads, None if first else nn.LayerNorm(d)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(d, d) for _ in range(4))
        self.n1, self.l0, self.l1 = nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.Linear(2 * d, d)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.n0 is None else self.n0(x)
        q, k, v = self.split(self.wq(h)), self.split(self.wk(h)), self.split(self.wv(h))
        shares = F.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]), -1)
        x = x + self.wo((shares @ v).transpose(1, 2).flatten(2))
        a, b = self.l0(self.n1(x)).chunk(2, -1)
        return x + self.l1(a * F.relu(b))


class Table(nn.Module):
    """A transformer of the rows of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = Tokenizer(5, [4, 6, 3], 16)
        self.blocks = nn.ModuleList(TableBlock(16, 2, first) for first in (True, False))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 2)

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        x = self.tokens(num, cat)
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(self.norm(x[:, 0])))
