"""Both wings in one process: importing torchvision after TensorFlow would crash a notebook."""

import subprocess
import sys

PROBE = """
import sys
from ft import backend
from ft.recipe import Recipe
from parity_tests.support.pairs import batch, one_learner

images = batch(0, size=64, count=2).inputs
for name in sys.argv[1:]:
    learner = one_learner(name, Recipe(model="squeezenet1_1", freeze="base", precision="float64"))
    print(name, learner.outputs(images)["logits"].shape == (2, 10))
"""


def test_keras_first_then_pytorch():
    """The order that needs care; the other one is that of every test here."""
    order = ("tf", "torch")
    done = subprocess.run([sys.executable, "-c", PROBE, *order], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [order[0], "True", order[1], "True"]
