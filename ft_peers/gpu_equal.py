"""A wing on the GPU beside itself on the CPU: the same results, the same bits twice, and the CPU where asked."""

from dataclasses import dataclass

import numpy as np

from ft.backend import contract as backend
from ft.data import Batch
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.weights import cast, initial_weights
from ft.zoo import find_card

NETWORKS = ("resnet18", "alexnet", "vgg11", "googlenet")
FLOAT64, NOISE = 1e-9, 4.0  # bars: of float64, and how many times noisier in float32 the GPU may be than the CPU
FLOOR = 4 * float(np.finfo(np.float32).eps)  # below it all is noise


@dataclass(frozen=True)
class Setting:
    """What is trained: a network whole, on a batch of random images."""

    backend: str
    network: str
    steps: int = 20
    size: int = 64
    batch: int = 8

    def weights(self, device: str, precision: str = "float64") -> dict[str, np.ndarray]:
        """Return the weights after the steps on a device, from the same start and on the same images."""
        wing = backend.load(self.backend)
        recipe = Recipe(
            model=self.network, weights="none", freeze=(), lr=1e-3, batch_size=self.batch, precision=precision
        )
        card = find_card(self.network)
        model = wing.build_model(self.network, num_classes=5, dtype=recipe.dtype)
        plan = plan_freeze(card, list(wing.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
        fixed = {"card": card, "plan": plan, "recipe": recipe, "objective": objective_of(recipe)}
        learner = wing.Learner(model, **fixed, device=device)
        learner.set_weights(cast(initial_weights(wing.weight_shapes(model), seed=0), recipe.dtype))
        learner.fetch([learner.step(self.images(), step=i, lr=np.float64(recipe.lr)) for i in range(self.steps)])
        return learner.get_weights()

    def images(self) -> Batch:
        """Return the batch that every step takes."""
        images = np.random.default_rng(0).normal(size=(self.batch, self.size, self.size, 3))
        return Batch.of(images, labels=np.arange(self.batch) % 5)


def farthest(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """Return the largest difference of two sets of tensors, each relative to its largest magnitude."""
    floats = [name for name in b if b[name].dtype.kind == "f" and b[name].size]
    return max(float(np.abs(a[n].astype(float) - b[n]).max() / max(np.abs(b[n]).max(), 1e-30)) for n in floats)


def typical(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """Return the median over the tensors of the difference that `farthest` takes the largest of."""
    floats = [name for name in b if b[name].dtype.kind == "f" and b[name].size]
    return float(np.median([farthest({n: a[n]}, {n: b[n]}) for n in floats]))


def float64(setting: Setting, gpu: str) -> dict:
    """Compare the devices in float64."""
    off = farthest(setting.weights(gpu), setting.weights("cpu"))
    return {"measured": off, "bar": FLOAT64, "passed": off <= FLOAT64}


def float32(setting: Setting, gpu: str) -> dict:
    """Compare what float32 costs on either device, against float64 on the CPU."""
    exact = setting.weights("cpu")
    ours, cpus = (typical(setting.weights(device, "float32"), exact) for device in (gpu, "cpu"))
    ratio = max(ours, FLOOR) / max(cpus, FLOOR)
    return {"measured": ratio, "bar": NOISE, "passed": ratio <= NOISE, "gpu": ours, "cpu": cpus}


def repeated(setting: Setting, gpu: str) -> dict:
    """Train twice with --deterministic and count the tensors that are not the same to the bit."""
    other = 0
    for precision in ("float32", "bfloat16"):
        first, second = (setting.weights(gpu, precision) for _ in range(2))
        other += sum(first[name].tobytes() != second[name].tobytes() for name in first)
    return {"measured": other, "bar": 0, "passed": other == 0}


def on_cpu(setting: Setting) -> dict:
    """Train with --device cpu and return what the GPU was asked for, in bytes."""
    device = backend.load(setting.backend).prepare(device="cpu", deterministic=True)
    setting.weights(device, "float32")
    used = {"torch": torch_bytes, "tf": tf_bytes}[setting.backend]()
    return {"measured": used, "bar": 0, "passed": used == 0}


def torch_bytes() -> int:
    """Return the most that PyTorch took of the GPU."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def tf_bytes() -> int:
    """Return the most that TensorFlow took of the GPUs that it sees."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    return sum(tf.config.experimental.get_memory_info(gpu.name.removeprefix("/device:"))["peak"] for gpu in gpus)
