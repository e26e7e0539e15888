"""float32: neither wing is noisier than the other, measured against its own float64 run."""

import numpy as np
import pytest

from ft.compare import ZERO, compare, relative_difference
from parity_tests.pairs import CASES, Case, batch, learners

SEEDS, RATIO, LOSS = 5, 4, 1e-5
FLOOR = 4 * np.finfo(np.float32).eps  # 4 ulp
LR = np.float64(0.001)


def noise_of_each_wing(case: Case, seed: int) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Return, by wing, every tensor's distance of float32 from float64, and the float32 loss after one step."""
    distances, losses = {}, {}
    results = {dtype: one_step(case, seed, dtype) for dtype in ("float32", "float64")}
    for wing in ("torch", "tf"):
        single, double = results["float32"][wing], results["float64"][wing]
        zeros = compare(double, double, bar=0, zero=ZERO).zeros  # their float32 value is rounding and nothing else
        distances[wing] = {
            name: relative_difference(single[name], double[name]) for name in double if name not in zeros
        }
        losses[wing] = float(single["loss"])
    return distances, losses


def one_step(case: Case, seed: int, dtype: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays of one step from the seed's float32 start: logits, gradients, the update, the loss after it."""
    images, labels = batch(seed, dtype="float32")
    pair = learners(case, seed=seed, precision="float32")
    start = pair["torch"].get_weights()
    if dtype == "float64":
        pair = learners(case, tensors=start)
    images = images.astype(dtype)
    result = {}
    for wing, learner in pair.items():
        _, logits, gradients = learner.gradients(images, labels, step=0)
        statistics = {name: t for name, t in learner.get_weights().items() if name.endswith(("_mean", "_var"))}
        learner.set_weights(start)
        learner.step(images, labels, step=0, lr=LR)
        loss = learner.fetch([learner.step(images, labels, step=1, lr=LR)])[0, 0]
        result[wing] = {
            "logits": logits,
            "loss": loss,
            **statistics,
            **{f"gradient {name}": g for name, g in gradients.items()},
        }
    return result


@pytest.mark.parametrize(
    "case", [*CASES[:3:2], *(pytest.param(case, marks=pytest.mark.slow) for case in CASES[1::2])], ids=str
)
def test_neither_wing_is_noisier(case):
    runs = [noise_of_each_wing(case, seed) for seed in range(SEEDS)]
    for _, losses in runs:
        assert abs(losses["torch"] - losses["tf"]) <= LOSS * abs(losses["torch"])
    names = runs[0][0]["torch"].keys()
    medians = {
        wing: {name: float(np.median([distances[wing].get(name, 0) for distances, _ in runs])) for name in names}
        for wing in ("torch", "tf")
    }
    worst = noisier(medians["torch"], medians["tf"])
    print(
        f"{case}: largest ratio {max(worst.values()):.2f}, median noise of {len(names)} tensors "
        + ", ".join(f"{wing} {np.median(list(noise.values())):.1e}" for wing, noise in medians.items())
    )
    assert not {name: ratio for name, ratio in worst.items() if ratio > RATIO}


def noisier(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    """Return how many times the noisier wing's distance is the other's, both taken to be at least 4 ulp."""
    return {name: max(a[name], b[name], FLOOR) / max(min(a[name], b[name]), FLOOR) for name in a}


def test_an_intermediate_rounded_to_bfloat16_is_caught(monkeypatch):
    import tensorflow as tf

    from ft_tf.layers import Conv2d

    call = Conv2d.call

    def rounded(self, x):
        y = call(self, x)
        return (
            tf.cast(tf.cast(y, tf.bfloat16), y.dtype) if self.name == "layer4.1.conv2" and y.dtype == tf.float32 else y
        )

    monkeypatch.setattr(Conv2d, "call", rounded)
    with pytest.raises(AssertionError):
        test_neither_wing_is_noisier(Case("resnet18", "base", {"lr": 0.001}))
