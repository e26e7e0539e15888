"""A user's module: small networks in PyTorch, 3x16x20 -> 5. The tests of strangers copy it into a folder of its own."""

import torch
from torch import nn
from torch.nn import functional as F


def cnn(*, flat=True):
    """A plain Sequential, nothing named."""
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 8)]
    flattened = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(7 * 4 * 5, 8)]
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 7, 3, padding=1, bias=False), nn.BatchNorm2d(7), nn.ReLU()),
        *(flattened if flat else pooled),
        *(nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 5)),
    )


def pooled():
    """The same without the flattening."""
    return cnn(flat=False)


class Net(nn.Module):
    """The layers of `pooled` again, registered in another order than they run, and functions between them."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.fc2, self.fc1 = nn.Linear(8, 5), nn.Linear(7, 8)
        self.bn1, self.bn2 = nn.BatchNorm2d(6), nn.BatchNorm2d(7)
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 7, 3, padding=1, bias=False)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x - self.mean))), 2)
        x = F.relu(self.bn2(self.conv2(x))).mean((2, 3))
        return self.fc2(F.dropout(F.relu(self.fc1(x)), 0.4, self.training))


class Float32(Net):
    """Its code is written for float32 alone."""

    def forward(self, x):
        self.mean = self.mean.float()
        return super().forward(x.float())


class Two(Net):
    """It gives more than logits."""

    def forward(self, x):
        return super().forward(x), x


class Dead(nn.Module):
    """Its last units are off, whatever goes in."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(F.relu(torch.tanh(self.conv(x)) - 2).mean((2, 3)))


def capped():
    """A limit that no value reaches with inputs of the usual size."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3), nn.Hardtanh(-8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    )


def kernels():
    """Every kind of kernel: depthwise with two outputs an input, grouped, transposed."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 6, 3, groups=2), nn.ConvTranspose2d(6, 8, 2, bias=False)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    )


class Twins(nn.Module):
    """Two convolutions that only their names tell apart."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3)

    def forward(self, x):
        return (self.left(x) * self.right(x)).mean((2, 3))


def number():
    """No model at all."""
    return 3


def broken():
    """Fails."""
    raise ValueError("first line\nsecond line")


class Noisy(Net):
    """It is random in inference as well."""

    def forward(self, x):
        return super().forward(x + torch.rand_like(x))


class Longer(Net):
    """Every call has one operation more."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        x = super().forward(x)
        for _ in range(self.calls):
            x = x + 1
        return x


class RandomInTraining(Net):
    """Noise of its own, which no rate sets to 0."""

    def __init__(self):
        super().__init__()
        self.noise = Noise()

    def forward(self, x):
        return self.noise(super().forward(x))


class Noise(nn.Module):
    """A layer that is random in training."""

    def forward(self, x):
        return x * torch.rand_like(x) if self.training else 1.0 * x


class NotANumber(Net):
    """All that it gives is NaN."""

    def forward(self, x):
        return super().forward(x) * torch.nan


class Overwriting(Net):
    """It changes what its gradient needs."""

    def forward(self, x):
        y = torch.sigmoid(super().forward(x))
        z = y * y
        y += 1
        return z


class Strided(nn.Module):
    """A block whose second convolution has the stride, and a scale that is the first factor."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 6, 1, bias=False), nn.Conv2d(6, 6, 3, stride=2, padding=1, bias=False)
        self.scale, self.head = nn.Parameter(torch.linspace(1, 2, 6)), nn.Linear(6, 5)

    def forward(self, x):
        return self.head(self.scale * self.three(self.one(x)).relu().mean((2, 3)))
