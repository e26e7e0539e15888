"""Whether the frozen stages that a network begins with run ahead, folded and compiled: where that pays.

Compiling costs seconds and saves a share of each pass. The choice is by counting what the whole training has to pass
through these stages, not by a clock and not by what is left, so that a run and its repetition, or its continuation,
round alike. What trains is compiled only on request, `compile: on`.
"""

from collections.abc import Callable

from ft.backend import Learner
from ft.freeze import Freeze, epochs_alike, leading_stages
from ft.job import Job

SIDE = 224  # pixels a side of the images that are counted; larger ones count more, by their area
PAYS_FROM = {"torch": 5000, "tf": 5000}  # such images; measured, see docs/speed.md
Say = Callable[[str], None]


def run_ahead(job: Job, learner: Learner, plan: Freeze, *, backend: str, epoch: int, say: Say) -> None:
    """Let a learner run the frozen stages ahead where the recipe's `compile` says so, and `say` what was chosen.

    epoch: the one to train next; with `unfreeze` the stages are counted for as long as they stay frozen.
    """
    stages = leading_stages(plan, job.card)
    compiled, reason = choose(job, stages, images=images_through(job, learner, epoch), backend=backend)
    if reason:
        say(reason)
    if compiled:
        learner.run_ahead(say=say)
    if job.recipe.compile == "on":
        learner.compile_trained(say=say)


def images_through(job: Job, learner: Learner, epoch: int) -> int:
    """Return how many images pass through the frozen stages while these are the ones that are frozen."""
    train, val = len(job.dataset.train), len(job.dataset.val)
    if learner.on_features:
        return train * max(job.recipe.cache_views, 1) + val
    return (train + val * (2 if job.recipe.ema else 1)) * epochs_alike(job.recipe, job.card, epoch)


def choose(job: Job, stages: tuple[str, ...], *, images: int, backend: str) -> tuple[bool, str]:
    """Return whether to compile the leading frozen stages, and a line that says so; "" where there is no choice."""
    wish, side = job.recipe.compile, job.preprocess.crop
    if not stages:
        alone = "no stage that the network begins with is frozen and has --bn frozen"
        return False, f"compile: nothing to fold, {alone}" if wish == "on" else ""
    names = stages[0] if len(stages) == 1 else f"{stages[0]} to {stages[-1]}"
    if wish != "auto":
        return wish == "on", f"compile: {wish}, as asked for ({names})"
    count, least = images * side**2 / SIDE**2, PAYS_FROM[backend]
    pays = count >= least
    comparison = f"{images} images of {side} px, worth {count:.0f} of {SIDE} px; it pays from {least} on"
    return pays, f"compile: {'on' if pays else 'off'} for {names} ({comparison})"
