"""What differs between two models without a number that shows it: settings, and parameters of one side alone."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ft.backend.description import Description
from ft.errors import listed
from ft.parity.evidence import Finding
from ft.parity.foreign.agreement import trained
from ft.parity.foreign.pairing import Pairing
from ft.parity.foreign.values import apart
from ft.parity.verdict import PARAMETERS, SETTINGS, Row

ONE_WEIGHT = "one weight with"


def unreached(findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield a row for every operation that differs only with larger inputs."""
    yield from (setting(f.name, f.detail) for f in findings if f.phase == SETTINGS)


def unlike_settings(models: Mapping[str, Description], pairing: Pairing) -> Iterator[Row]:
    """Yield a row for every setting that differs and that no array shows: it was not exercised."""
    strengths = [sorted(re.findall(r"\(\w+ ([\d.e-]+)", " ".join(model.silenced))) for model in models.values()]
    if strengths[0] != strengths[1]:
        words = [" ".join(own) or "none" for own in strengths]
        one, other = pairing.labels
        yield setting("dropout", f"{one} {words[0]}, {other} {words[1]}")
    for pair, *has in trained(models, pairing):
        if has[0] != has[1]:
            yield setting(pair.torch, f"trained in {pairing.labels[has[1]]} only")
    for who, model in models.items():
        yield from (setting(words, f"in {who} only") for words in model.settings)


def setting(name: str, words: str) -> Row:
    """Return the row of a setting that differs."""
    return Row.unmeasured(None, SETTINGS, name, f"{words}; differs, not exercised")


def lone_parameters(pairing: Pairing) -> Iterator[Row]:
    """Yield a row for every kind of parameter that one side has alone: the comparison goes on without them."""
    for side, (who, left) in enumerate(zip(pairing.labels, pairing.neutral, strict=True)):
        kinds: dict[tuple[str, str, bool], list[str]] = {}
        for p in left:
            kinds.setdefault((p.kind, p.leaf, (side, p.name) in pairing.unused), []).append(p.name)
        for (kind, leaf, unused), names in kinds.items():
            why = "none of its outputs depends on that" if unused else "taken as what changes nothing"
            fault = f"{leaf} of {len(names)} {kind} layer{'s' * (len(names) > 1)} in {who} only: {listed(names)}"
            # with the count: once accepted, it lets no other pass
            name = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            yield Row.unmeasured(None, PARAMETERS, name, f"{fault}; {why}")


def tied(pairing: Pairing, starts: Mapping[str, np.ndarray], source: str) -> Iterator[Row]:
    """Yield rows for what one side has twice and the other once. starts: the weights of the side that gives them."""
    for tie in pairing.ties:
        who, one = pairing.labels[tie.side], pairing.labels[1 - tie.side]
        yield setting(tie.name, f"{ONE_WEIGHT} {tie.other} in {one} only, so a step moves them apart in {who}")
        if who == source and (far := apart(starts[tie.name].reshape(starts[tie.other].shape), starts[tie.other])):
            words = f"starts unlike {tie.other}, which is one weight with it in {one}; taken as {tie.other}"
            yield Row(None, PARAMETERS, tie.name, far, far, 0, 0, 0.0, words)
