"""The PyTorch wing's speed and memory on a GPU, beside a hand-written loop, the peak and what decodes its images."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ft.backend import contract as backend
from ft.bench.photos import generate
from ft.data import Batch, Pixels, open_dataset
from ft.data.batches.images import ImageBatches
from ft.data.settings import Reading, Sampling
from ft.recipe import Recipe
from ft.system.cores import usable_cores
from ft.tasks.classification import SINGLE
from ft.tasks.objective import objective_of
from ft.training.build import new_learner
from ft.weights import cast, initial_weights
from ft.zoo import find_card
from ft_peers import loop_gpu, peak_torch

CLASSES = 10
BACKWARD = 3  # a step costs so many forward passes


@dataclass(frozen=True)
class Load:
    """What runs: a network on batches of photos, in blocks of so many passes."""

    network: str = "resnet50"
    size: int = 224
    batch: int = 128
    passes: int = 10
    blocks: int = 5
    side: int = 8192  # of the matrices of the peak
    photos: int = 256

    def values(self) -> np.ndarray:
        """Return the pixels of a batch."""
        return np.random.default_rng(0).integers(0, 256, (self.batch, self.size, self.size, 3), np.uint8)

    def labels(self) -> np.ndarray:
        """Return the classes of a batch."""
        return np.arange(self.batch) % CLASSES

    def learner(self, precision: str, device: str, freeze: tuple[str, ...] | str):
        """Return the wing's learner; frozen stages run ahead as a training has them."""
        recipe = Recipe(
            model=self.network, weights="none", freeze=freeze, precision=precision, batch_size=self.batch, lr=1e-3
        )
        wing = backend.load("torch")
        given = {"card": find_card(self.network), "surgery": None, "classes": CLASSES, "image_size": self.size}
        learner, _ = new_learner(recipe, wing, **given, objective=objective_of(recipe), device=device)
        shapes = wing.weight_shapes(learner.model)
        learner.set_weights(cast(initial_weights(shapes, seed=0), recipe.dtype))
        return learner


def wait(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def images_per_second(run: Callable[[], object], load: Load, device: str) -> float:
    """Return the median over the blocks; the first passes choose kernels."""
    for _ in range(3):
        run()
    wait(device)
    found = []
    for _ in range(load.blocks):
        started = time.perf_counter()
        for _ in range(load.passes):
            run()
        wait(device)
        found.append(load.passes * load.batch / (time.perf_counter() - started))
    return statistics.median(found)


def timed(run: Callable[[], object], load: Load, device: str) -> dict[str, float]:
    """Return images per second, and the most memory that it took."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    rate = images_per_second(run, load, device)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return {"images_per_second": rate, "bytes": memory}


def speed(load: Load, gpu: str, *, whole: bool, precision: str) -> dict:
    """Time the wing and the hand-written loop: the frozen pass, or a step of the whole network."""
    backend.load("torch").prepare(device=gpu, deterministic=False)
    peer = loop_gpu.training_step if whole else loop_gpu.frozen_pass
    given = (load.network, load.values(), *([load.labels()] if whole else []))
    hand = timed(peer(*given, device=gpu, bfloat16=precision == "bfloat16", classes=CLASSES), load, gpu)
    ours = timed(wing_step(load, precision, gpu) if whole else wing_pass(load, precision, gpu), load, gpu)
    flops = peak_torch.forward_flops(load.network, load.size) * (BACKWARD if whole else 1)
    peak = peak_torch.peak(getattr(torch, precision), load.side, 2.0, gpu)
    share = ours["images_per_second"] * flops / peak
    ratio = ours["images_per_second"] / hand["images_per_second"]
    return {"measured": ratio, "passed": True, "wing": ours, "by_hand": hand, "peak": peak, "share_of_peak": share}


def wing_step(load: Load, precision: str, device: str) -> Callable[[], object]:
    """Return a step of the whole network as a training does it."""
    learner = load.learner(precision, device, ())
    batch = Batch.of(pixels_of(load, learner), labels=load.labels())
    return lambda: learner.step(batch, step=0, lr=np.float64(1e-3))


def wing_pass(load: Load, precision: str, device: str) -> Callable[[], object]:
    """Return the pass that makes features of a frozen base, folded as a training of some length has it."""
    learner = load.learner(precision, device, "base")
    learner.run_ahead(compiled=False, say=lambda text: None)
    pixels = pixels_of(load, learner)
    return lambda: learner.features(pixels)


def pixels_of(load: Load, learner) -> Pixels:
    """Return a batch as bytes, with the table of the network's numbers."""
    preprocess = find_card(load.network).preprocess
    return preprocess.pixels(load.values(), learner.recipe.dtype)


def decoding(load: Load) -> dict:
    """Return how many photos a second all cores of the machine decode, a thread for each."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), images=load.photos)
        dataset = open_dataset(name)
        preprocess = find_card(load.network).preprocess.at(load.size)
        reading = Reading(as_pixels=True, workers=usable_cores())
        teach = SINGLE.teach(classes=len(dataset.classes), dtype="float32")
        batches = ImageBatches(dataset.train, preprocess, Sampling(32), reading=reading, teach=teach)
        started = time.perf_counter()
        count = sum(len(batch) for batch in batches.epoch(0))
        return {"measured": count / (time.perf_counter() - started), "passed": True, "cores": usable_cores()}
