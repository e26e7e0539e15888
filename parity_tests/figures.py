"""How far apart the two wings are, network by network: measured here, tabled in docs/figures.md.

`python -m parity_tests.figures [NAME ...]` measures networks (all, if none is named) and writes the table anew. Figures
that were measured before stay in docs/figures.json.
"""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ft import backend
from ft.backend import Learner
from ft.compare import ZERO, Comparison, Tensors, compare
from ft.freeze import plan_freeze
from ft.zoo import Card, cards, find_card
from parity_tests.pairs import FORWARD, STEP, Case, batch, learners

# the smallest at which every BatchNorm sees 32 values of a batch; Inception's auxiliary head makes 4 x 4 of its own
SIZES = {"inception": 443, "maxvit": 224}
DOCS = Path(__file__).parents[1] / "docs"
MODES = {"head": "base", "whole": "none"}


def image_size(card: Card) -> int:
    """Return the size of the test images: 64 pixels, or the next that the network can take."""
    size = SIZES.get(card.family, max(64, card.min_size))
    return -(-size // card.size_step) * card.size_step


def images_of(card: Card, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    """Return a batch for a network: 8 images, or 2 large ones."""
    size = image_size(card)
    return batch(0, size=size, count=2 if size > 200 else 8, dtype=dtype)


def case_of(card: Card, freeze: str = "none") -> Case:
    """Return the case of a network with drawn weights and its noise on."""
    return Case(card.name, freeze, {"image_size": image_size(card), "weights": "none"})


def compare_inference(pair: dict[str, Learner], images: np.ndarray) -> Comparison:
    """Compare the logits of a pair in inference mode."""
    a, b = ({"logits": learner.logits(images)} for learner in pair.values())
    return compare(a, b, bar=FORWARD)


def compare_step(
    pair: dict[str, Learner], start: Tensors, images: np.ndarray, labels: np.ndarray
) -> dict[str, Comparison]:
    """Compare one training step from the same weights: logits and loss, gradients, then weights and slots after it."""
    found: dict[str, list[dict[str, np.ndarray]]] = {"forward": [], "gradients": [], "step": [], "momentum": []}
    for learner in pair.values():
        learner.set_weights(start)
        loss, logits, gradients = learner.gradients(images, labels, step=7)
        found["forward"].append({"logits": logits, "loss": np.array(loss)})
        found["gradients"].append(gradients)
        learner.update(gradients, lr=np.float64(0.001))
        found["step"].append(learner.get_weights())
        found["momentum"].append(learner.get_slots())
    zero = {"gradients": ZERO, "momentum": ZERO}
    return {part: compare(*arrays, bar=STEP, zero=zero.get(part, 0.0)) for part, arrays in found.items()}


def measure(card: Card) -> dict[str, Any]:
    """Return the largest relative differences of a network: inference, then gradients and weights after one step."""
    figures: dict[str, Any] = {"parameters": card.parameters, "pixels": image_size(card)}
    for dtype in ("float64", "float32"):
        pair, (images, labels) = learners(case_of(card), precision=dtype), images_of(card, dtype)
        start = pair["torch"].get_weights()
        figures[f"{dtype} inference"] = compare_inference(pair, images).largest
        for mode, freeze in MODES.items():
            refreeze(pair, card, freeze, dtype)
            found = compare_step(pair, start, images, labels)
            figures |= {f"{dtype} {mode} {part}": found[part].largest for part in ("gradients", "step")}
        figures["zero gradients"] = len(found["gradients"].zeros)
        del pair, start, found
        gc.collect()
    return figures


def refreeze(pair: dict[str, Learner], card: Card, freeze: str, dtype: str) -> None:
    """Give each wing of a pair a learner of the same model that freezes other stages."""
    recipe = case_of(card, freeze).recipe(precision=dtype)
    for name, learner in pair.items():
        wing = backend.load(name)
        plan = plan_freeze(card, list(wing.parameters(learner.model)), freeze=recipe.freeze, bn=recipe.bn)
        pair[name] = wing.Learner(learner.model, card=card, plan=plan, recipe=recipe)


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return docs/figures.md."""
    parts = ["inference", "head gradients", "head step", "whole gradients", "whole step"]
    lines = [
        "# How far apart the wings are",
        "",
        "Largest difference between PyTorch and Keras of any element, over the largest magnitude of its tensor: in",
        "inference, and in one training step of the head alone and of the whole network (every gradient; weights and",
        "BatchNorm statistics after the step). Drawn weights, every constant start randomised, dropout and stochastic",
        "depth on, 8 images (2 above 200 px). In float32 single ReLU flips move a gradient by a hundredth in either",
        "wing. Made by `python -m parity_tests.figures`.",
        "",
        f"| network | parameters | pixels | {' | '.join(f'float64 {part}' for part in parts)} | zero gradients | "
        + f"{' | '.join(f'float32 {part}' for part in parts)} |",
        "|---|" + "--:|" * (2 * len(parts) + 3),
    ]
    for name, row in sorted(figures.items()):
        numbers = {dtype: [f"{row[f'{dtype} {part}']:.1e}" for part in parts] for dtype in ("float64", "float32")}
        cells = [name, f"{row['parameters'] / 1e6:.1f} M", str(row["pixels"]), *numbers["float64"]]
        lines.append(f"| {' | '.join([*cells, str(row['zero gradients']), *numbers['float32']])} |")
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    """Measure networks and write the table."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    store = DOCS / "figures.json"
    for name in names or [card.name for card in sorted(cards(), key=lambda card: card.parameters)]:
        figures = json.loads(store.read_text()) if store.exists() else {}
        figures[name] = measure(find_card(name))
        print(name, {key: f"{value:.1e}" for key, value in figures[name].items()}, flush=True)
        store.write_text(json.dumps(dict(sorted(figures.items())), indent=1) + "\n")
        (DOCS / "figures.md").write_text(table(figures))


if __name__ == "__main__":
    from parity_tests import conftest  # noqa: F401  (prepares both wings)

    main(sys.argv[1:])
