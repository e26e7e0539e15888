"""The same pixels: each framework, in a process of its own, holds the same bits on its device, two epochs long."""

import subprocess
import sys

from parity_tests.support.pairs import digits_folder

# prints a hash of every batch as the framework holds it, in N, H, W, C
PROBE = """
import hashlib, sys
import numpy as np
from ft.backend import contract as backend
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft.recipe import Recipe

wing = backend.load(sys.argv[1])
every = {"augment": "crop-flip", "randaugment": "1x9", "jitter": 0.3, "hue": 0.2, "erase": 0.5}
every |= {"mixup": 0.3, "cutmix": 1.0}
moved = {"augment": "crop-flip", "jitter": 0.3}
masks = {**moved, "data": "scenes", "model": "lraspp_mobilenet_v2", "weights": "none"}
for fields, precision in ((every, "float32"), ({}, "float64"), (moved, "float32"), (masks, "float32")):
    fields = {"data": sys.argv[3], "batch_size": 32, "model": "squeezenet1_1", "weights": "none", **fields}
    recipe = Recipe(**fields, precision=precision, workers=int(sys.argv[2]), image_size=32, seed=3)
    job = prepare_job(recipe)
    learner, _ = build_learner(job, wing, device="cpu")
    batches = job.batches("train", as_pixels=True)
    assert batches.reading.as_pixels == ("mixup" not in fields)
    for epoch in range(2):
        for batch in batches.epoch(epoch):
            held = np.ascontiguousarray(learner.put(batch.inputs).numpy())
            assert held.dtype == precision and held.shape[1:] == (32, 32, 3)
            assert (held == np.asarray(batch.inputs)).all()
            seen = [held, *batch.targets.values(), batch.indices]
            print(hashlib.sha256(b"".join(x.tobytes() for x in seen)).hexdigest())
"""


def test_data_is_bit_equal(tmp_path):
    data = digits_folder(tmp_path, train=320, val=20)
    processes = [start("torch", data, workers=0), start("tf", data, workers=3)]
    torch, tf = (process.communicate()[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert len(torch) == 3 * 2 * 10 + 2 * 5
    assert torch == tf
    assert len(set(torch)) == len(torch), "two batches were the same: the epochs are not shuffled"


def start(wing: str, data: str, *, workers: int) -> subprocess.Popen:
    """Start the probe in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROBE, wing, str(workers), data], stdout=subprocess.PIPE, text=True)
