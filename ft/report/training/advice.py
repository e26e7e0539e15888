"""What all the numbers of a run say, and what to try: sentences by rule, the most important first."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft.report.training import data_advice as data
from ft.report.training import overfitting
from ft.report.training import rate_advice as rate
from ft.report.training.evidence import Evidence
from ft.report.training.finding import Advice
from ft.tasks.sections import Page

KINDS = "bad", "warn", "good"
CAUSES = (  # why it has not learnt; the first that holds
    data.imbalance,
    rate.rate_too_high,
    rate.rate_too_low,
    data.normalisation,
    overfitting.better_than_guessing,
    overfitting.finds_nothing,
)


def advise(result: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]], page: Page) -> list[Advice]:
    """Return what the numbers say, the most important first; never empty. page: what the task says of the run."""
    if not epochs:
        return [Advice("bad", "No epoch was logged, so there is no curve to judge.")]
    evidence = Evidence(result, epochs, page)
    if diverged := list(rate.diverged(evidence)):
        return diverged  # nothing else that is measured means anything
    advice = [*data.random_base(evidence), *data.leak(evidence)]
    advice += next(filter(None, (list(cause(evidence)) for cause in CAUSES)), [])
    rules = data.tiny_validation, overfitting.gap, overfitting.turning_point, overfitting.best_epoch
    advice += [each for rule in rules for each in rule(evidence)]
    if not any(each.kind == "bad" for each in advice):
        advice += data.noisy_labels(evidence)
    if not any(each.kind == "bad" for each in advice):
        advice += rate.still_learning(evidence)
    return sorted(advice, key=lambda each: KINDS.index(each.kind))
