"""Whether the frozen stages that a network begins with run ahead, folded or also compiled: where that pays.

Folding costs a second at most, compiling up to a minute, and each saves a share of each pass. The choice is by counting
what the whole training has to pass through these stages, not by a clock and not by what is left, so that a run and its
repetition, or its continuation, round alike. What trains is compiled only on request, `compile: on`.
"""

from collections.abc import Callable
from typing import Literal

from ft.backend.contract import Learner
from ft.network.freeze import Freeze, epochs_alike, keeps_features, leading_stages
from ft.training.job import Job

SIDE = 224  # pixels a side of the images that are counted; larger ones count more, by their area
FOLDING_PAYS_FROM = {"torch": 50, "tf": 500}  # such images; measured, see docs/speed.md
COMPILING_PAYS_FROM = 40_000  # likewise
Say = Callable[[str], None]
Way = Literal["as one", "folded", "compiled"]


def run_ahead(job: Job, learner: Learner, plan: Freeze, *, backend: str, epoch: int, say: Say, log: Say) -> None:
    """Let a learner run the frozen stages ahead where the recipe's `compile` says so.

    epoch: the one to train next; with `unfreeze` the stages are counted for as long as they stay frozen. say: told what
    compiles, which takes a while, and what was asked for in vain; log: told that nothing compiles.
    """
    if job.card.inputs == "text" or job.card.taps:  # lengths differ from batch to batch; several maps cross over
        if job.recipe.compile == "on":
            say(f"compile: {job.card.name} does not come apart behind its frozen stages; it runs as one")
        return
    stages = leading_stages(plan, job.card)
    way, reason = choose(job, stages, images=images_through(job, plan, epoch), backend=backend)
    if reason:
        (say if way == "compiled" or job.recipe.compile == "on" else log)(reason)
    if way != "as one":
        learner.run_ahead(compiled=way == "compiled", say=say)
    if job.recipe.compile == "on" and not keeps_features(job.recipe, plan, job.card):  # a head alone gains nothing
        learner.compile_trained(say=say)


def images_through(job: Job, plan: Freeze, epoch: int) -> int:
    """Return how many images pass through the frozen stages while these are the ones that are frozen."""
    train, val = len(job.dataset.train), len(job.dataset.val)
    if keeps_features(job.recipe, plan, job.card):
        return train * max(job.recipe.cache_views, 1) + val
    return (train + val * (2 if job.recipe.ema else 1)) * epochs_alike(job.recipe, epoch)


def choose(job: Job, stages: tuple[str, ...], *, images: int, backend: str) -> tuple[Way, str]:
    """Return how the leading frozen stages are to run, and a line that says so; "" where there is no choice."""
    wish, side = job.recipe.compile, job.preprocess.crop
    if not stages:
        alone = "no stage that the network begins with is frozen and has --bn frozen"
        return "as one", f"compile: nothing to fold, {alone}" if wish == "on" else ""
    names = stages[0] if len(stages) == 1 else f"{stages[0]} to {stages[-1]}"
    if wish != "auto":
        return "compiled" if wish == "on" else "as one", f"compile: {wish}, as asked for ({names})"
    count = images * side**2 / SIDE**2
    way: Way = (
        "compiled" if count >= COMPILING_PAYS_FROM else "folded" if count >= FOLDING_PAYS_FROM[backend] else "as one"
    )
    result = {"as one": f"off for {names}", "folded": f"off for {names}, only folded", "compiled": f"on for {names}"}
    comparison = f"{images} images of {side} px, worth {count:.0f} of {SIDE} px; it pays from {COMPILING_PAYS_FROM} on"
    return way, f"compile: {result[way]} ({comparison})"
