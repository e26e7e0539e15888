"""The same pixels: each framework, in a process of its own, holds the same bits on its device, two epochs long."""

import subprocess
import sys

# prints a hash of every batch as the framework holds it, in N, H, W, C
PROBE = """
import hashlib, sys
import numpy as np
from ft import backend
from ft.job import build_learner, prepare_job
from ft.recipe import Recipe

wing = backend.load(sys.argv[1])
every = {"augment": "crop-flip", "randaugment": "1x9", "jitter": 0.3, "erase": 0.5, "mixup": 0.3, "cutmix": 1.0}
for fields, precision in ((every, "float32"), ({}, "float64")):
    recipe = Recipe(**fields, precision=precision, workers=int(sys.argv[2]), image_size=32, seed=3)
    job = prepare_job(recipe)
    learner, _ = build_learner(job, wing, device="cpu")
    batches = job.batches("train")
    for epoch in range(2):
        for batch in batches.epoch(epoch):
            held = np.ascontiguousarray(learner.load(batch.images).numpy())
            assert held.dtype == precision and held.shape[1:] == (32, 32, 3)
            print(hashlib.sha256(held.tobytes() + batch.labels.tobytes() + batch.indices.tobytes()).hexdigest())
"""


def test_data_is_bit_equal():
    processes = [start("torch", workers=0), start("tf", workers=3)]
    torch, tf = (process.communicate()[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert len(torch) == 2 * 2 * 45
    assert torch == tf
    assert len(set(torch)) == len(torch), "two batches were the same: the epochs are not shuffled"


def start(wing: str, *, workers: int) -> subprocess.Popen:
    """Start the probe in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROBE, wing, str(workers)], stdout=subprocess.PIPE, text=True)
