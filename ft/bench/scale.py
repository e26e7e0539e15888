"""What a step of N workers costs beside that of one, and what gives way first: `python -m ft.bench.scale --help`.

A model, not a measurement: each worker has the same number of images in a step (so the batch grows with N), computes
them at the rate that it has alone, then waits for the sums over all workers, which do not overlap with computing. A sum
goes around a ring: 2 (N - 1) / N of its bytes through each worker's link, in 2 (N - 1) messages; over a tree, as NCCL
sends what is small, in 2 log2 N. What the workers tell each other, a row each, takes half the messages, and every row
but the own comes through the link. docs/scale.md holds it beside what was measured.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Literal

from ft.backend import contract as backends
from ft.network.freeze import plan_at
from ft.recipe import Recipe
from ft.system.quiet import quiet_stderr
from ft.training.build import new_network
from ft.zoo import find_card

MEETING = 24  # bytes of the sum before each step: weights, errors, signals
ENOUGH = 0.9  # of a worker's own speed: below it something has given way


@dataclass(frozen=True)
class Shared:
    """What all workers add up in a step: parameters that train, and channels of each BatchNorm that learns.

    sync: whether that sees the batch of all (`--bn-sync`).
    """

    parameters: int
    channels: tuple[int, ...] = ()
    sync: Literal["on", "off"] = "on"
    bytes_each: int = 4

    @property
    def rows(self) -> tuple[int, ...]:
        """Bytes that each worker tells all others, in a step: mean, variance and count of a BatchNorm that learns."""
        return tuple(self.bytes_each * (2 * c + 1) for c in self.channels) if self.sync == "on" else ()

    @property
    def sums(self) -> tuple[int, ...]:
        """Bytes of each sum, in a step: of a BatchNorm those of its gradient, or else of its running statistics."""
        norms = (self.bytes_each * (2 * c + (0 if self.sync == "on" else 2)) for c in self.channels)
        return (MEETING, *norms, self.bytes_each * (self.parameters + 2))

    @property
    def bytes(self) -> int:
        """Bytes that a worker has for the others, in a step."""
        return sum(self.rows) + sum(self.sums)


@dataclass(frozen=True)
class Means:
    """What a worker has. rate: images/s alone; link: bytes/s; latency: seconds of a message; disk: bytes/s.

    image: bytes of a file; own_disk: else one disk serves all; tree: how sums travel, else around a ring.
    """

    rate: float
    link: float
    latency: float
    disk: float
    image: float = 110e3
    own_disk: bool = True
    tree: bool = False


@dataclass(frozen=True)
class Step:
    """The seconds of a step: computing, summing by bandwidth and by latency; reading, which goes on beside them."""

    workers: int
    images: int
    compute: float
    bandwidth: float
    latency: float
    reading: float

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return max(self.compute + self.bandwidth + self.latency, self.reading)

    @property
    def efficiency(self) -> float:
        """A worker's speed as a share of what it is alone."""
        return self.compute / self.seconds

    @property
    def limit(self) -> str:
        """What costs most beside computing."""
        costs = {"bandwidth": self.bandwidth, "latency": self.latency, "reading": self.reading - self.compute}
        return max(costs, key=lambda name: costs[name])


def waits(workers: int, shared: Shared, means: Means) -> tuple[float, float]:
    """Return how long the sums and rows of a step take: by bandwidth, and by latency."""
    messages = math.ceil(math.log2(workers)) if means.tree else workers - 1
    through = (workers - 1) * (2 / workers * sum(shared.sums) + sum(shared.rows))
    return through / means.link, messages * (2 * len(shared.sums) + len(shared.rows)) * means.latency


def step_of(workers: int, images: int, shared: Shared, means: Means) -> Step:
    """Return a step of so many workers; images: of each."""
    reading = images * means.image / means.disk * (1 if means.own_disk else workers)
    bandwidth, latency = waits(workers, shared, means)
    return Step(workers, workers * images, images / means.rate, bandwidth, latency, reading)


def breaks_at(images: int, shared: Shared, means: Means, *, most: int = 1 << 20) -> Step | None:
    """Return the first step, of twice as many workers each time, that is below `ENOUGH`; None for none."""
    steps = (step_of(1 << k, images, shared, means) for k in range(1, most.bit_length()))
    return next((step for step in steps if step.efficiency < ENOUGH), None)


def shared_by(recipe: Recipe, *, classes: int) -> Shared:
    """Return what a recipe's workers add up in a step of its first epoch, by the network of an installed wing."""
    wing, card = backends.load("torch" if find_spec("torch") else "tf"), find_card(recipe.model)
    with quiet_stderr():
        model = new_network(
            recipe, wing, card=card, surgery=None, classes=classes, image_size=recipe.image_size or card.preprocess.crop
        )
    shapes, names = wing.weight_shapes(model), list(wing.parameters(model))
    plan = plan_at(recipe, card, names, epoch=0)
    trained = sum(math.prod(shapes[name]) for name in names if name in plan.trainable)
    means = {name.removesuffix(".running_mean"): shape for name, shape in shapes.items() if "running_mean" in name}
    moving = tuple(shape[0] for module, shape in means.items() if not plan.is_still(module))
    return Shared(trained, moving, recipe.bn_sync)


def table_of(steps: Sequence[Step]) -> list[str]:
    """Return the steps as text."""
    lines = [f"{'workers':>7} {'batch':>8} {'compute':>9} {'bytes':>9} {'latency':>9} {'read':>9} {'speed':>6}  limit"]
    for step in steps:
        parts = (step.compute, step.bandwidth, step.latency, step.reading)
        times = " ".join(f"{1e3 * seconds:6.1f} ms" for seconds in parts)
        lines.append(f"{step.workers:>7} {step.images:>8} {times} {step.efficiency:6.0%}  {step.limit}")
    return lines


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    flags.add_argument("--model", default="resnet50", help="network [resnet50]")
    flags.add_argument("--freeze", default="none", help="as for ft train [none]")
    flags.add_argument("--classes", type=int, default=1000, help="[1000]")
    flags.add_argument("--rate", type=float, required=True, help="images/s of one worker alone, as its log says")
    flags.add_argument("--images", type=int, default=32, help="of each worker in a step [32]")
    flags.add_argument("--gbits", type=float, default=10, help="of a worker's link, in Gbit/s [10]")
    flags.add_argument("--latency", type=float, default=50, help="of a message, in microseconds [50]")
    flags.add_argument("--disk", type=float, default=200, help="MB/s [200]")
    flags.add_argument("--one-disk", action="store_true", help="which serves all workers; else each has its own")
    flags.add_argument("--image", type=float, default=110, help="kB of an image file [110]")
    flags.add_argument("--workers", default="8,64,1024", help="[8,64,1024]")
    flags.add_argument("--tree", action="store_true", help="sums travel over a tree, as NCCL's of small arrays do")
    flags.add_argument("--bn", choices=("frozen", "update"), default="frozen", help="as for ft train [frozen]")
    flags.add_argument("--bn-sync", choices=("on", "off"), default="on", help="as for ft train [on]")
    flags.add_argument("--json", action="store_true", help="print JSON")
    return flags


def main() -> None:
    """Print what the model says."""
    flags = parser().parse_args()
    recipe = Recipe(model=flags.model, weights="none", freeze=flags.freeze, bn=flags.bn, bn_sync=flags.bn_sync)
    shared = shared_by(recipe, classes=flags.classes)
    means = Means(
        rate=flags.rate,
        link=flags.gbits * 1e9 / 8,
        latency=flags.latency / 1e6,
        disk=flags.disk * 1e6,
        image=flags.image * 1e3,
        own_disk=not flags.one_disk,
        tree=flags.tree,
    )
    steps = [step_of(int(count), flags.images, shared, means) for count in flags.workers.split(",")]
    first = breaks_at(flags.images, shared, means)
    if flags.json:
        print(json.dumps({"shared": asdict(shared), "steps": [asdict(step) for step in steps]}))
        return
    sums, rows = len(shared.sums), len(shared.rows)
    print(f"{shared.bytes / 1e6:.2f} MB in {sums} sums and {rows} rows a step ({shared.parameters:,} parameters train)")
    print("\n".join(table_of(steps)))
    print(f"below {ENOUGH:.0%} from {first.workers} workers on, by {first.limit}" if first else "never below 90 %")


if __name__ == "__main__":
    main()
