"""How far apart the two wings are, measured here and tabled in docs/zoo.md.

`python -m parity_tests.support.figures [NAME ...]` measures networks, detectors and trajectories (all, if none is
named) and writes the tables anew. What was measured before stays in docs/zoo.json.
"""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torchvision  # noqa: F401  (before TensorFlow: behind it, it crashes)

from ft.zoo import Card, cards, find_card
from parity_tests.recipe.test_trajectory import LONG, QUICK, STEPS, Case, measure_trajectory
from parity_tests.step import test_detection, test_instances, test_keypoints, test_onestage
from parity_tests.support.detectors import SIDES
from parity_tests.support.networks import MODES, compare_outcomes, image_size, run_network

DOCS = Path(__file__).parents[2] / "docs"
DTYPES = ("float64", "float32")
DETECTORS = {
    case.values[0].name: (home, case.values[0])
    for home in (test_detection, test_onestage, test_instances, test_keypoints)
    for case in home.CASES
}
OF_DETECTORS = ("inference", "gradients", "step")
PARTS = ("inference", *(f"{mode} {part}" for mode in MODES for part in ("gradients", "step")))
TEXT = f"""# The zoo, and how far apart the wings are

Largest difference between PyTorch and Keras of any element, over the largest magnitude of its tensor: in inference, and
in one training step of the head alone and of the whole network (every gradient; weights and BatchNorm statistics after
the step). Drawn weights, every constant start randomised, dropout and stochastic depth on, 8 images (above 200 px 2, a
pale one and one of strong contrast). A gradient that is zero but for rounding in both wings, such as that of a bias
before a BatchNorm, is counted and not compared, and in float32 neither. In float32 single ReLU flips move a gradient by
a hundredth in either wing. Of the two giants, vit_h_14 and regnet_y_128gf, one parameter of each kind is trained. Made
by `python -m parity_tests.support.figures`.

{{networks}}

## Detectors

In float64, pictures of {SIDES[1]} x {SIDES[0]} px or what a network takes at least, one of them without a box: what is
found, boxes, scores, masks and keypoints; every gradient of a step of the whole network, the draws of its boxes
included; weights and statistics after it. Each is within the same bars of torchvision's own network, given these draws.
In float32 the boxes that a step draws hang on last bits, so nothing is compared.

{{detectors}}

## After {STEPS} steps

Free-running training in float64, 64 px (32 for {QUICK[0]}), with a changing learning rate: the largest difference in
weights and BatchNorm statistics, and in the momentum buffers. Own sensitivity: how far the Keras wing's weights stray
from themselves when the first image is moved by one unit in the last place.

{{trajectories}}
"""


def measure(card: Card) -> dict[str, Any]:
    """Return the largest relative differences of a network: inference, then gradients and weights after one step."""
    figures: dict[str, Any] = {"parameters": card.parameters, "pixels": image_size(card)}
    zeros: dict[str, Collection[str]] = {}  # float32 has nothing but noise where float64 has zero
    for dtype in DTYPES:
        with TemporaryDirectory() as folder:
            parts = compare_outcomes(*run_network(card, folder, dtype=dtype, modes=tuple(MODES)), leave_out=zeros)
        figures |= {f"{dtype} {part}": parts[part].largest for part in PARTS}
        if dtype == "float64":
            zeros = {part: comparison.zeros for part, comparison in parts.items()}
            figures["zero gradients"] = len(zeros["whole gradients"])
    return figures


def measure_detector(name: str) -> dict[str, Any]:
    """Return the figures of a detector; AssertionError where it is not torchvision's."""
    home, card = DETECTORS[name]
    return {"parameters": card.parameters, **home.measured(card)}


def measure_steps(case: Case, size: int) -> dict[str, float]:
    """Return the figures of a trajectory."""
    parts, sensitivity = measure_trajectory(case, size)
    return {**{part: comparison.largest for part, comparison in parts.items()}, "own sensitivity": sensitivity}


def render(figures: dict[str, dict[str, Any]]) -> str:
    """Return docs/zoo.md."""
    of_networks = {
        name: [
            f"{row['parameters'] / 1e6:.1f} M",
            str(row["pixels"]),
            *(f"{row[f'float64 {part}']:.1e}" for part in PARTS),
            str(row["zero gradients"]),
            *(f"{row[f'float32 {part}']:.1e}" for part in PARTS),
        ]
        for name, row in figures["networks"].items()
    }
    heads = [*(f"float64 {part}" for part in PARTS), "zero gradients", *(f"float32 {part}" for part in PARTS)]
    detectors = {
        name: [f"{row['parameters'] / 1e6:.1f} M", *(f"{row[p]:.1e}" for p in OF_DETECTORS), str(row["zero gradients"])]
        for name, row in figures.get("detectors", {}).items()
    }
    trajectories = {
        name: [f"{row[part]:.1e}" for part in ("weights", "slots", "own sensitivity")]
        for name, row in figures["trajectories"].items()
    }
    return TEXT.format(
        networks=table(["network", "parameters", "pixels", *heads], of_networks),
        detectors=table(["network", "parameters", *OF_DETECTORS, "zero gradients"], detectors),
        trajectories=table(["case", "weights", "momentum", "own sensitivity"], trajectories),
    )


def table(head: list[str], rows: dict[str, list[str]]) -> str:
    """Return a Markdown table, its rows in the order of their names."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *([name, *rows[name]] for name in sorted(rows))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(names: list[str]) -> None:
    """Measure what is named, or everything from the smallest network on, and write the tables."""
    import tensorflow as tf

    trajectories = {str(case): (case, 32 if case in QUICK else 64) for case in [*QUICK, *LONG]}
    classifiers = [card.name for card in sorted(cards(), key=lambda card: card.parameters)]
    for name in names or [*classifiers, *DETECTORS, *trajectories]:
        tf.config.run_functions_eagerly(name not in {*trajectories, *DETECTORS})
        if name in DETECTORS:
            keep("detectors", name, measure_detector(name))
        elif name in trajectories:
            keep("trajectories", name, measure_steps(*trajectories[name]))
        else:
            keep("networks", name, measure(find_card(name)))
        print(name, flush=True)


def keep(part: str, name: str, row: dict[str, Any]) -> None:
    """Add what was measured to docs/zoo.json, which another process may have added to, and write docs/zoo.md."""
    store = DOCS / "zoo.json"
    figures = json.loads(store.read_text()) if store.exists() else {"networks": {}, "trajectories": {}}
    figures.setdefault(part, {})[name] = row
    store.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    (DOCS / "zoo.md").write_text(render(figures))


if __name__ == "__main__":
    from parity_tests import conftest  # noqa: F401  (prepares both wings)

    main(sys.argv[1:])
