"""The history of a run on its report: which wings it was in, what each session changed, what thawed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft.recipe import from_dict
from ft.report.training.summary import FRAMEWORKS
from ft.runs.history import Session, change_words, changes_by_session, wings


@dataclass(frozen=True)
class Told:
    """A session as the page shows it. turned: it is in another wing than the one before."""

    began: str
    step: int
    epoch: int
    framework: str
    turned: bool
    changes: str
    command: str
    machine: str
    versions: str


def told_sessions(history: Sequence[Session]) -> list[Told]:
    """Return the sessions of a run; what was not written down is left empty."""
    before = [history[0], *history] if history else []
    return [
        Told(
            began=session.get("began", "").replace("T", " ").removesuffix("+00:00"),
            step=session["step"],
            epoch=session["epoch"],
            framework=framework(session["backend"]),
            turned=session["backend"] != last["backend"],
            changes=change_words(changed),
            command=session.get("command", ""),
            machine=session.get("machine", ""),
            versions=", ".join(f"{name} {text}" for name, text in session.get("versions", {}).items()),
        )
        for session, last, changed in zip(history, before, changes_by_session(history), strict=False)
    ]


def wing_words(result: Mapping[str, Any]) -> str:
    """Return " in PyTorch", or ", begun in PyTorch, went on in Keras"."""
    first, *others = map(framework, wings(result.get("history", ())) or [result["backend"]])
    if not others:
        return f" in {first}"
    return f", begun in {first}, went on in {', then in '.join(others)}"


def framework(backend: str) -> str:
    """Return the name of a wing's framework."""
    return FRAMEWORKS.get(backend, backend)


def frozen_words(recipe: Mapping[str, Any], epochs: int) -> str:
    """Return what the recipe froze and what of it has thawed in so many epochs."""
    thaws = [thaw for thaw in from_dict(dict(recipe)).thaws if thaw.epoch < epochs]
    frozen = ", ".join(recipe["freeze"])
    thawed = ", ".join(f"{thaw.stage} from epoch {thaw.epoch + 1}" for thaw in thaws)
    return f"frozen: {frozen}; unfrozen: {thawed}" if thaws else f"frozen: {frozen}"
