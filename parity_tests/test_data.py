"""The same pixels: what each framework holds on its device is the same bits, two epochs long, in processes of their own."""

import subprocess
import sys

import pytest

# prints a hash of every batch as the framework holds it, in N, H, W, C
PROBE = """
import hashlib, sys
import numpy as np
from ft.job import build_learner, prepare_job
from ft import backend
from ft.recipe import Recipe
wing = backend.load(sys.argv[1])
recipe = Recipe(augment=sys.argv[2], precision=sys.argv[3], workers=int(sys.argv[4]), image_size=32, seed=3)
job = prepare_job(recipe)
learner, _ = build_learner(job, wing, device="cpu")
batches = job.batches("train")
for epoch in range(2):
    for batch in batches.epoch(epoch):
        held = np.ascontiguousarray(learner.load(batch.images).numpy())
        assert held.dtype == sys.argv[3] and held.shape[1:] == (32, 32, 3)
        print(hashlib.sha256(held.tobytes() + batch.labels.tobytes() + batch.indices.tobytes()).hexdigest())
"""


@pytest.mark.parametrize(("augment", "precision"), [("crop-flip", "float32"), ("none", "float64")])
def test_data_is_bit_equal(augment, precision):
    torch, tf = (digests(wing, augment, precision, workers) for wing, workers in (("torch", 0), ("tf", 3)))
    assert len(torch) == 2 * 45
    assert torch == tf
    assert len(set(torch)) == len(torch), "two batches were the same: the epochs are not shuffled"


def digests(*arguments: object) -> list[str]:
    """Run the probe and return its lines."""
    command = [sys.executable, "-c", PROBE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
