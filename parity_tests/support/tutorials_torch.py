"""Networks as tutorials write them, in PyTorch: one half of pairs, each with a fault if asked."""

import torch
from torch import nn
from torch.nn import functional as F


class ConvAE(nn.Module):
    def __init__(self, k=4):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(3, 6, 4, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 4, 2, 1), nn.ReLU())
        if k == 4:
            self.dec = nn.Sequential(
                nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1), nn.Sigmoid()
            )
        else:
            self.dec = nn.Sequential(
                nn.ConvTranspose2d(8, 6, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1), nn.Sigmoid()
            )

    def forward(self, x):
        return self.dec(self.enc(x))


class TCN(nn.Module):
    def __init__(self, acausal=False):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(3 if i == 0 else 6, 6, 3, dilation=2**i) for i in range(3)])
        self.down, self.out, self.acausal = (nn.Conv1d(3, 6, 1), nn.Linear(6, 2), acausal)

    def forward(self, x):
        for i, c in enumerate(self.convs):
            p = 2 * 2**i
            y = F.relu(c(F.pad(x, (p // 2, p // 2) if self.acausal and i == 1 else (p, 0))))
            x = y + (self.down(x) if i == 0 else x)
        return self.out(x[:, :, -1])


class GANDisc(nn.Module):
    def __init__(self, slope=0.2):
        super().__init__()
        sn = nn.utils.parametrizations.spectral_norm
        self.net = nn.Sequential(
            sn(nn.Conv2d(3, 8, 4, 2, 1)),
            nn.LeakyReLU(slope),
            sn(nn.Conv2d(8, 12, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            sn(nn.Linear(12 * 16, 1)),
        )

    def forward(self, x):
        return self.net(x)


class DSep(nn.Module):
    def __init__(self, six=False):
        super().__init__()

        def block(i, o, st, act):
            return nn.Sequential(
                nn.Conv2d(i, i, 3, st, 0 if st == 2 else 1, groups=i, bias=False),
                nn.Conv2d(i, o, 1, bias=False),
                nn.BatchNorm2d(o),
                act,
            )

        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU6())
        self.b1, self.b2 = (block(6, 8, 1, nn.ReLU6()), block(8, 10, 2, nn.ReLU6() if not six else nn.ReLU()))
        self.fc = nn.Linear(10, 4)

    def forward(self, x):
        x = self.b1(self.stem(x))
        x = self.b2(F.pad(x, (0, 1, 0, 1)))
        return self.fc(x.mean((2, 3)))


class RMS(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(c))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-06) * self.weight


def rope(x, inter):
    t, d = x.shape[-2:]
    f = 10000.0 ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)
    a = torch.arange(t, dtype=x.dtype)[:, None] * f[None]
    cos, sin = (a.cos(), a.sin())
    if inter:
        x1, x2 = (x[..., 0::2], x[..., 1::2])
        return torch.stack([x1 * cos - x2 * sin, x1 * sin + x2 * cos], -1).flatten(-2)
    x1, x2 = (x[..., : d // 2], x[..., d // 2 :])
    return torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], -1)


class Llama(nn.Module):
    def __init__(self, inter=False):
        super().__init__()
        self.emb, self.n1, self.n2, self.nf, self.inter = (nn.Embedding(25, 16), RMS(16), RMS(16), RMS(16), inter)
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16, bias=False) for _ in range(4))
        self.gate, self.up, self.down = (
            nn.Linear(16, 24, bias=False),
            nn.Linear(16, 24, bias=False),
            nn.Linear(24, 16, bias=False),
        )
        self.head = nn.Linear(16, 25, bias=False)

    def forward(self, ids):
        x = self.emb(ids)
        n, t, c = x.shape
        y = self.n1(x)
        q, k, v = (part(y).view(n, t, 4, 4).transpose(1, 2) for part in (self.q, self.k, self.v))
        q, k = (rope(q, self.inter), rope(k, self.inter))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, c)
        x = x + self.o(y)
        y = self.n2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.nf(x))


class WaveNet(nn.Module):
    def __init__(self, swap=False):
        super().__init__()
        self.inp = nn.Conv1d(1, 8, 1)
        self.dil = nn.ModuleList([nn.Conv1d(8, 16, 2, dilation=2**i) for i in range(3)])
        self.res = nn.ModuleList([nn.Conv1d(8, 8, 1) for i in range(3)])
        self.skip = nn.ModuleList([nn.Conv1d(8, 8, 1) for i in range(3)])
        self.o1, self.o2, self.swap = (nn.Conv1d(8, 8, 1), nn.Conv1d(8, 5, 1), swap)

    def forward(self, x):
        x = self.inp(x)
        total = 0
        for i in range(3):
            a, b = self.dil[i](F.pad(x, (2**i, 0))).chunk(2, 1)
            if self.swap and i == 1:
                a, b = (b, a)
            y = torch.tanh(a) * torch.sigmoid(b)
            total = total + self.skip[i](y)
            x = x + self.res[i](y)
        return self.o2(F.relu(self.o1(F.relu(total))))


class Caps(nn.Module):
    def __init__(self, axis=-1):
        super().__init__()
        self.c1, self.prim, self.axis = (nn.Conv2d(1, 6, 5), nn.Conv2d(6, 8, 5, 2), axis)
        self.w = nn.Parameter(torch.randn(3, 4 * 2 * 4, 5, 4) * 0.3)

    def squash(self, x, axis=-1):
        n2 = (x**2).sum(axis, keepdim=True)
        return n2 / (1 + n2) * x / torch.sqrt(n2 + 1e-08)

    def forward(self, x):
        y = self.prim(F.relu(self.c1(x)))
        y = y.view(len(x), 2, 4, 16).permute(0, 1, 3, 2).reshape(len(x), 32, 4)
        y = self.squash(y, self.axis)
        u = torch.einsum("kiod,nid->nkio", self.w, y)
        b = torch.zeros(len(x), 3, 32, dtype=y.dtype)
        for r in range(3):
            v = self.squash((F.softmax(b, 1)[..., None] * u).sum(2))
            if r < 2:
                b = b + (u * v[:, :, None]).sum(-1)
        return v.norm(dim=-1)


class SRNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.c3 = (
            nn.Conv2d(3, 8, 5, padding=2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Conv2d(8, 12, 3, padding=1),
        )

    def forward(self, x):
        return F.pixel_shuffle(self.c3(torch.tanh(self.c2(torch.tanh(self.c1(x))))), 2)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.rnn, self.fc = (
            nn.Embedding(15, 5),
            nn.GRU(5, 4, batch_first=True, bidirectional=True),
            nn.Linear(8, 6),
        )

    def forward(self, ids):
        return self.fc(self.rnn(self.emb(ids))[0])


class VAE(nn.Module):
    def __init__(self, var=False):
        super().__init__()
        self.enc, self.mu, self.lv, self.d1, self.d2, self.var = (
            nn.Linear(12, 10),
            nn.Linear(10, 3),
            nn.Linear(10, 3),
            nn.Linear(3, 10),
            nn.Linear(10, 12),
            var,
        )

    def forward(self, x, noise):
        h = F.softplus(self.enc(x))
        mu, lv = (self.mu(h), self.lv(h))
        z = mu + noise * torch.exp(lv if self.var else 0.5 * lv)
        return {"recon": torch.sigmoid(self.d2(F.softplus(self.d1(z)))), "mu": mu, "logvar": lv}


class NCF(nn.Module):
    def __init__(self, cos=False):
        super().__init__()
        self.u, self.i, self.ub, self.ib, self.cos = (
            nn.Embedding(11, 6),
            nn.Embedding(17, 6),
            nn.Embedding(11, 1),
            nn.Embedding(17, 1),
            cos,
        )

    def forward(self, user, item):
        p, q = (self.u(user), self.i(item))
        if self.cos:
            p, q = (F.normalize(p, dim=-1), F.normalize(q, dim=-1))
        return torch.sigmoid((p * q).sum(-1, keepdim=True) + self.ub(user) + self.ib(item))


class PointNet(nn.Module):
    def __init__(self, turned=False):
        super().__init__()
        self.t1, self.t2, self.m1, self.m2, self.fc, self.turned = (
            nn.Linear(3, 8),
            nn.Linear(8, 9),
            nn.Conv1d(3, 8, 1),
            nn.Conv1d(8, 16, 1),
            nn.Linear(16, 4),
            turned,
        )

    def forward(self, points):
        t = self.t2(F.relu(self.t1(points)).amax(1)).view(-1, 3, 3) + torch.eye(3, dtype=points.dtype)
        x = points @ (t.transpose(1, 2) if self.turned else t)
        x = F.relu(self.m2(F.relu(self.m1(x.transpose(1, 2)))))
        return self.fc(x.max(-1)[0])


class TextCNN(nn.Module):
    def __init__(self, order=False):
        super().__init__()
        self.emb, self.convs = (nn.Embedding(30, 6), nn.ModuleList([nn.Conv1d(6, 4, k) for k in (2, 3, 4)]))
        self.fc, self.order = (nn.Linear(12, 3), order)

    def forward(self, ids):
        x = self.emb(ids).transpose(1, 2)
        y = [F.relu(c(x)).amax(-1) for c in self.convs]
        return self.fc(torch.cat(y[::-1] if self.order else y, 1))


class Highway(nn.Module):
    def __init__(self, inverted=False):
        super().__init__()
        self.inp, self.h, self.t = (
            nn.Linear(6, 8),
            nn.ModuleList([nn.Linear(8, 8) for _ in range(3)]),
            nn.ModuleList([nn.Linear(8, 8) for _ in range(3)]),
        )
        self.out, self.inverted = (nn.Linear(8, 2), inverted)

    def forward(self, x):
        x = self.inp(x)
        for i, (h, t) in enumerate(zip(self.h, self.t, strict=True)):
            y, g = (torch.tanh(h(x)), torch.sigmoid(t(x)))
            if self.inverted and i == 1:
                g = 1 - g
            x = y * g + x * (1 - g)
        return self.out(x)


class Cross(nn.Module):
    def __init__(self):
        super().__init__()
        self.lat, self.att, self.fc, self.inp = (
            nn.Parameter(torch.randn(3, 16) * 0.5),
            nn.MultiheadAttention(16, 4, batch_first=True),
            nn.Linear(16, 2),
            nn.Linear(5, 16),
        )

    def forward(self, x, keep):
        y = self.inp(x)
        q = self.lat.expand(len(x), -1, -1)
        return self.fc(self.att(q, y, y, key_padding_mask=~keep, need_weights=False)[0].mean(1))


class MoE(nn.Module):
    def __init__(self, temp=1.0):
        super().__init__()
        self.gate, self.w1, self.b1 = (
            nn.Linear(6, 4),
            nn.Parameter(torch.randn(4, 6, 8) * 0.4),
            nn.Parameter(torch.randn(4, 8) * 0.1),
        )
        self.w2, self.temp = (nn.Parameter(torch.randn(4, 8, 3) * 0.4), temp)

    def forward(self, x):
        g = F.softmax(self.gate(x) / self.temp, -1)
        h = F.gelu(torch.einsum("ni,eio->neo", x, self.w1) + self.b1)
        return torch.einsum("neo,eoc,ne->nc", h, self.w2, g)


class FNet(nn.Module):
    def __init__(self, ortho=False):
        super().__init__()
        self.inp, self.n1, self.n2, self.f1, self.f2, self.out, self.ortho = (
            nn.Linear(5, 8),
            nn.LayerNorm(8),
            nn.LayerNorm(8),
            nn.Linear(8, 12),
            nn.Linear(12, 8),
            nn.Linear(8, 2),
            ortho,
        )

    def forward(self, x):
        x = self.inp(x)
        x = self.n1(x + torch.fft.fft2(x, norm="ortho" if self.ortho else None).real)
        x = self.n2(x + self.f2(F.gelu(self.f1(x))))
        return self.out(x[:, 0])


class WNorm(nn.Module):
    def __init__(self, eps=0.0):
        super().__init__()
        wn = nn.utils.parametrizations.weight_norm
        self.l1, self.l2, self.mid = (wn(nn.Linear(6, 9)), wn(nn.Linear(9, 3)), nn.Linear(9, 9))

    def forward(self, x):
        return self.l2(F.elu(self.mid(F.elu(self.l1(x)))))


class Places(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(19, 8), nn.Embedding(12, 8)
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.places(torch.arange(ids.shape[1])))
        return self.out(torch.tanh(x).mean(1))


class Asking(nn.Module):
    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(20, 16), nn.Embedding(21, 16)
        self.att, self.out = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 5)

    def forward(self, source, target, keep):
        memory, x = self.source(source), self.target(target)
        return self.out(x + self.att(x, memory, memory, key_padding_mask=~keep)[0])


class Nodes(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(5, 8, bias=False), nn.Linear(8, 6, bias=False), nn.Linear(6, 3)

    def forward(self, nodes, edges):
        linked = (edges | edges.transpose(1, 2) | torch.eye(edges.shape[1], dtype=torch.bool)).to(nodes.dtype)
        roots = linked.sum(-1) ** -0.5
        linked = roots[:, :, None] * linked * roots[:, None, :]
        return self.out((linked @ self.two(F.relu(linked @ self.one(nodes)))).mean(1))
