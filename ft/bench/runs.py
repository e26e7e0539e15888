"""What `ft bench` times: the peers' programs and this project, each from the same weights on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from ft.backend.contract import FRAMEWORKS
from ft.bench.process import Finished, run
from ft.recipe import TYPES
from ft.runs.folder import read_log

KERAS_HAS = ("resnet50", "resnet101", "resnet152")


@dataclass(frozen=True)
class Settings:
    """What every run does. images: of the training split; peer_steps: after how many steps a peer's time is scaled.

    augment: "none", or "crop-flip": random crops and flips of the training images.
    """

    model: str
    size: int
    epochs: int
    batch_size: int
    images: int
    lr: float
    workers: int
    peer_steps: int | None = None
    augment: str = "none"


@dataclass(frozen=True)
class Plan:
    """One run. program: a module of ft_peers, or None for `ft train`; cached: whether features are kept on disk."""

    name: str
    backend: str
    program: str | None = None
    precision: str = "float32"
    cached: bool = False
    whole: bool = False  # trains the whole network, not only a new head

    def lacks(self, settings: Settings) -> str | None:
        """Return why the run cannot be made here, None where it can."""
        if self.cached and settings.augment != "none":
            return "augmented images are others in every epoch: no features to keep"
        if any(find_spec(package) is None for package in FRAMEWORKS[self.backend]):
            return f"{' and '.join(FRAMEWORKS[self.backend])} not installed"
        if self.program == "textbook_keras" and settings.model not in KERAS_HAS:
            return f"keras.applications has no {settings.model}"
        return None


@dataclass(frozen=True)
class Timing:
    """What a run took. seconds: of the whole process in a cold start; rate: training images/s of the last epoch.

    warm_seconds: of a second process that finds the caches of the first; scaled: what was done where only a part was
    timed; passes: how often each training image went through the base.
    """

    plan: Plan
    seconds: float
    rate: float
    top1: float | None
    memory: int
    passes: int
    warm_seconds: float | None = None
    scaled: str | None = None


def plans() -> dict[str, Plan]:
    """Return every run by its name; bfloat16 where recipes have it."""
    peers = [
        Plan("textbook-torch", "torch", "textbook_torch"),
        Plan("textbook-keras", "tf", "textbook_keras"),
        Plan("reference-torch", "torch", "reference_torch", whole=True),
        Plan("textbook-keras-whole", "tf", "textbook_keras", whole=True),
    ]
    precisions = [name for name in ("float32", "bfloat16") if name in get_args(TYPES["precision"])]
    ours = [
        Plan(
            f"ft-{wing}{'' if precision == 'float32' else f'-{precision}'}{kind}", wing, None, precision, cached, whole
        )
        for wing in FRAMEWORKS
        for precision in precisions
        for kind, cached, whole in (("", True, False), ("-uncached", False, False), ("-whole", False, True))
    ]
    return {plan.name: plan for plan in [*peers, *ours]}


def measure(plan: Plan, settings: Settings, work: Path) -> Timing:
    """Make one run in a fresh process with empty caches; one that keeps features once more, with the caches full."""
    caches = work / "caches" / plan.name
    environment = {
        "FT_CACHE": str(caches / "ft"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    if plan.program is not None:
        return time_peer(plan, settings, work, environment)
    first = time_ours(plan, settings, work, environment, "cold")
    if not plan.cached:
        return first
    second = time_ours(plan, settings, work, environment, "warm")
    return Timing(**{**vars(first), "warm_seconds": second.seconds})


def time_peer(plan: Plan, settings: Settings, work: Path, environment: Mapping[str, str]) -> Timing:
    """Run a program of ft_peers."""
    flags = [str(work / "data"), "--model", settings.model, "--size", str(settings.size)]
    flags += ["--epochs", str(settings.epochs), "--batch-size", str(settings.batch_size)]
    if plan.backend == "torch":
        flags += ["--weights", str(work / "start.safetensors")]
    if plan.program != "reference_torch":  # which has its own rate and crops
        flags += ["--lr", str(settings.lr), "--augment", settings.augment]
        flags += ["--whole"] if plan.whole else []
    if settings.peer_steps:
        flags += ["--max-steps", str(settings.peer_steps)]
    return timing_of(plan, run(f"ft_peers.{plan.program}", flags, environment), settings.epochs)


def timing_of(plan: Plan, done: Finished, epochs: int) -> Timing:
    """Return what a peer's report says; steps that it left out count as those of its last epoch, without its first.

    The first step of an epoch starts workers, and that of a run traces graphs. Validations are scaled by the last one.
    """
    report = done.json()
    rows, last = report["epochs"], report["epochs"][-1]
    steps = sum(row["steps"] for row in rows)
    missing = report["steps"] - steps
    if not missing:
        return Timing(plan, done.seconds, last["images"] / last["seconds"], report["top1"], done.memory, epochs)
    more = last["steps"] - 1
    step = (last["seconds"] - last["first"]) / more if more else last["seconds"]
    rate = last["images"] / last["steps"] / step
    validated = sum(row["val_steps"] for row in rows)
    more_seconds = missing * step + (report["val_steps"] - validated) * last["val_step"]
    scaled = f"{steps} of {report['steps']} steps and {validated} of {report['val_steps']} to validate"
    return Timing(plan, done.seconds + more_seconds, rate, None, done.memory, epochs, scaled=scaled)


def time_ours(plan: Plan, settings: Settings, work: Path, environment: Mapping[str, str], which: str) -> Timing:
    """Run `ft train`."""
    out = work / "runs" / f"{plan.name}-{which}"
    fields: dict[str, Any] = {
        "backend": plan.backend,
        "data": work / "data",
        "out": out,
        "model": settings.model,
        "weights": work / "start.safetensors",
        "freeze": "none" if plan.whole else "base",
        "cache": "disk" if plan.cached else "off",
        "precision": plan.precision,
        "image-size": settings.size,
        "epochs": settings.epochs,
        "batch-size": settings.batch_size,
        "lr": settings.lr,
        "augment": settings.augment,
        "workers": settings.workers,
    }
    flags = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
    done = run("ft", ["train", "--quiet", *flags], environment)
    last = [row for row in read_log(out) if row.get("epoch_end")][-1]
    passes = 1 if plan.cached else settings.epochs
    return Timing(plan, done.seconds, last["images_per_second"], last["top1"], done.memory, passes)
