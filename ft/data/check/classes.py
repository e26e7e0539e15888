"""What a check says of the classes of what is drawn on images, masks or boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ft.data.check.findings import ClassCount, Finding, Level
from ft.data.sources.policy import Policy

Items = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Words:
    """How a check speaks of masks, or of boxes.

    never: of a class without any; within: before "3 train images"; empty: of such classes, and what to do; seen: what a
    class is not in, "{} mask shows"; share: of a class, of all; rare, more: of classes with less, and what to do.
    """

    never: str
    within: str
    empty: tuple[str, str]
    seen: str
    share: str
    rare: str
    more: str


def find_class_troubles(
    classes: Sequence[ClassCount],
    share_of: Callable[[ClassCount], float | None],
    words: Words,
    policy: Policy,
    *,
    rare: float,
) -> list[Finding]:
    """Return the classes that nothing is of, that are never trained or validated, or whose share is below `rare`."""
    untrained = f"classes that no {words.seen.format('train')}, so that nothing is learnt of them"
    unseen = f"classes that no {words.seen.format('val')}"
    shares = [(c.label, share_of(c) or 0.0) for c in classes if c.images]
    told: tuple[tuple[Level, str, str, str, Items], ...] = (
        ("error" if policy.fail_on_empty_class else "warning", "empty class", *words.empty,
         tuple((c.label, words.never) for c in classes if not c.images)),
        ("warning", "no train", untrained, "move some images to train",
         tuple((c.label, f"{words.within} {c.val} val images") for c in classes if c.val and not c.train)),
        ("warning", "no val", unseen, "move some images to val",
         tuple((c.label, f"{words.within} {c.train} train images") for c in classes if c.train and not c.val)),
        ("warning", "rare", words.rare, words.more,
         tuple((label, words.share.format(share)) for label, share in shares if share < rare)),
    )  # fmt: skip
    return [Finding(level, kind, title, advice, items) for level, kind, title, advice, items in told if items]
