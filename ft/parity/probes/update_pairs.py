"""The rules by which the two sides made their updates, put next to each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice, product
from math import isclose, isnan
from typing import Generic, TypeVar

from ft.parity.evidence import Evidence
from ft.parity.probes.update_rules import SGD, Adam, History, adam_rules, history, sgd_rules
from ft.parity.verdict import Row

NUMBERS = {"momentum", "decay", "eps"}
ROWS = 3  # parameters of a step that are asked: an optimizer does to all what it does to one

Rule = TypeVar("Rule", SGD, Adam)


@dataclass(frozen=True)
class RulePair(Generic[Rule]):
    """The rules of both sides for one parameter, the two most alike, and the first update in which they show."""

    row: Row
    a: Rule
    b: Rule

    @property
    def unlike(self) -> set[str]:
        """The fields in which the rules differ."""
        return unlike(self.a, self.b)


def sgd_pairs(evidence: Evidence) -> Iterator[RulePair[SGD]]:
    """Yield the rules of updates that differ where both sides do some form of SGD."""
    steps = evidence.a.facts["steps"]
    for row in asked_rows(evidence):
        until = min(max(row.step or 0, 1), steps - 1)  # the first update alone does not tell the momentum
        pasts = histories(evidence, until, row.name)
        pair = most_alike(*(sgd_rules(past, close=evidence.close) for past in pasts))
        if pair:
            yield RulePair(place(evidence, *pair, pasts[1], row), *pair)


def adam_pairs(evidence: Evidence) -> Iterator[RulePair[Adam]]:
    """Yield the rules of first updates that differ where both sides do some form of Adam."""
    for row in asked_rows(evidence):
        if row.step == 0:
            pasts = histories(evidence, 0, row.name)
            pair = most_alike(*(adam_rules(past, close=evidence.close) for past in pasts))
            if pair:
                yield RulePair(row, *pair)


def asked_rows(evidence: Evidence) -> Iterator[Row]:
    """Yield the first few updates of every step that differ."""
    for step in range(evidence.a.facts["steps"]):
        rows = [row for row in evidence.verdict.rows if row.step == step and row.phase == "updates" and row.differs]
        phases = [
            trace.arrays(*place) for trace in evidence.traces for place in ((None, "weights"), (step, "gradients"))
        ]
        known = (row for row in rows if not row.fault and all(row.name in arrays for arrays in phases))
        yield from islice(known, ROWS)


def histories(evidence: Evidence, step: int, name: str) -> list[History]:
    """Return what one parameter went through on each side."""
    return [history(trace, step, name) for trace in evidence.traces]


def place(evidence: Evidence, a: SGD, b: SGD, past: History, row: Row) -> Row:
    """Return the first update that differs of the step where two rules, given the same past, part; else `row`."""
    updates = zip(a.updates(past), b.updates(past), strict=True)
    apart = next((step for step, (x, y) in enumerate(updates) if not evidence.same(x, y)), row.step)
    return next((other for other in asked_rows(evidence) if other.step == apart), row)


def most_alike(of_a: Sequence[Rule], of_b: Sequence[Rule]) -> tuple[Rule, Rule] | None:
    """Return the pair of rules with the fewest differences, those in numbers counting most."""

    def weight(pair: tuple[Rule, Rule]) -> tuple[int, int]:
        differences = unlike(*pair)
        return len(differences & NUMBERS), len(differences)

    return min(product(of_a, of_b), key=weight, default=None)


def unlike(a: Rule, b: Rule) -> set[str]:
    """Return the names of the fields in which two rules differ."""
    return {field.name for field in fields(a) if not alike(getattr(a, field.name), getattr(b, field.name))}


def alike(x: float, y: float) -> bool:
    """Tell whether two numbers are equal to about float32's precision, or one of them is unknown."""
    return isnan(x) or isnan(y) or isclose(x, y, rel_tol=1e-6)
