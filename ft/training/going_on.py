"""What a person is told when a training stops early, has nothing left to do, or goes on by another recipe."""

from ft.recipe import Recipe, deciding
from ft.runs.history import change_words, changes
from ft.tasks.task import Task
from ft.training.position import Position
from ft.training.schedule import rate_of

STRETCHED = "cosine", "linear", "one-cycle"  # schedules whose rate depends on how many epochs there are


def out_of_patience(recipe: Recipe, position: Position) -> bool:
    """Tell whether early stopping ends the training here."""
    return recipe.patience is not None and position.epoch - position.best_epoch >= recipe.patience


def stopped_early(recipe: Recipe, position: Position, task: Task) -> str | None:
    """Return why the training ends before its last epoch, None where it does not."""
    if position.epoch >= recipe.epochs or not out_of_patience(recipe, position):
        return None
    waited, word = position.epoch - position.best_epoch, task.score.word
    measure = next(measure for measure in task.measures if measure.name == task.score.metric)
    best = f"than {measure.text(position.best_score)} after epoch {position.best_epoch}" if position.best_epoch else ""
    return (
        f"stopped early, after epoch {position.epoch} of {recipe.epochs}: no better {word} {best}".rstrip()
        + f" in {waited} epoch{'s' * (waited > 1)} (patience {recipe.patience})"
    )


def why_finished(recipe: Recipe, position: Position, task: Task) -> str | None:
    """Return why no step of a training is left, and what gives it more of them; None where some are left."""
    if position.epoch >= recipe.epochs:
        return f"is finished, {position.epoch} of {recipe.epochs} epochs; raise --epochs to train it further"
    words = stopped_early(recipe, position, task)
    more = position.epoch - position.best_epoch + 5
    return f"{words}; raise --patience, say to {more}, to train it further" if words else None


def change_note(before: Recipe, now: Recipe, wings: tuple[str, str], position: Position, length: int) -> str | None:
    """Return in one line what a session changes of a run that goes on, None for nothing.

    wings: before and now; length: steps an epoch.
    """
    changed = changes(before, now)
    parts = [f"backend {wings[0]} to {wings[1]}"] * (wings[0] != wings[1])
    parts += [change_words(changed)] * bool(changed)
    if not parts:
        return None
    line = f"changed: {', '.join(parts)}"
    if changed.keys() & {*deciding("rate", "length")}:
        line += rate_words(before, now, position, length)
    if changed.keys() & {*deciding("loss", "penalty")}:
        line += "; the training loss is another measure from here on"
    return line


def rate_words(before: Recipe, now: Recipe, position: Position, length: int) -> str:
    """Return how the rate of the next step differs from what it would have been, or was, before; perhaps nothing."""
    step = position.steps_of(length)
    if step >= now.epochs * length:
        return ""
    ended = step >= before.epochs * length
    old, new = (
        float(
            rate_of(
                recipe,
                min(step, recipe.epochs * length - 1),
                steps_per_epoch=length,
                reduction=position.plateau.reduction if recipe.schedule == "plateau" else 1.0,
            )
        )
        for recipe in (before, now)
    )
    if abs(new - old) <= 0.001 * old:
        return ""
    was = "the last step had" if ended else "without the change it would have"
    stretched = now.schedule in STRETCHED and now.epochs != before.epochs
    why = f" (schedule {now.schedule} now takes {now.epochs} epochs)" if stretched else ""
    return f"; the next step has the rate {new:.4g}, {was} {old:.4g}{why}"
