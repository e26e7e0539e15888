"""Which weights decay: lists of names that fit one architecture and not the next."""

from collections.abc import Callable, Iterator, Sequence
from math import isclose
from typing import Any

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import RulePair, adam_pairs, sgd_pairs
from ft.parity.probes.update_rules import SGD, Adam, History, adam_rules, history, sgd_rules
from ft.parity.verdict import Row


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether a tensor decays on one side alone, while others decay on both as much."""
    for pairs, rules in ((sgd_pairs, sgd_rules), (adam_pairs, adam_rules)):
        for pair in pairs(evidence):
            decays = (pair.a.decay, pair.b.decay)
            if "decay" not in pair.unlike or pair.unlike - {"decay", "decoupled"} or min(decays) > 1e-6 * max(decays):
                continue
            if decay_elsewhere(evidence, pair.row.step or 0, max(decays), rules):
                with_it, without = evidence.traces if decays[0] > decays[1] else evidence.traces[::-1]
                detail = f"decays by {max(decays):.4g} in {with_it.label}, not at all in {without.label}"
                row = first_row(evidence, pair)
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)
                return


def first_row(evidence: Evidence, pair: RulePair[Any]) -> Row:
    """Return the first update of the step that both rules give, too: of a gradient that is zero no rule can be read."""
    step, rules = pair.row.step or 0, (pair.a, pair.b)
    known = evidence.a.arrays(step, "gradients")
    rows = (r for r in evidence.verdict.rows if (r.step, r.phase, r.differs) == (step, "updates", True))
    for row in (row for row in rows if row.name in known):
        pasts = (history(trace, step, row.name) for trace in evidence.traces)
        if all(gives(rule, past, evidence.close) for rule, past in zip(rules, pasts, strict=True)):
            return row
    return pair.row


def gives(rule: SGD | Adam, past: History, close: float) -> bool:
    """Tell whether a rule gives the updates of a history to rounding."""
    updates = [rule.update(past)] if isinstance(rule, Adam) else list(rule.updates(past))
    return all(past.fits(step, update, close=close) for step, update in enumerate(updates))


def decay_elsewhere(evidence: Evidence, step: int, decay: float, rules: Callable[..., Sequence[Any]]) -> bool:
    """Tell whether a tensor that both sides move alike decays by so much."""
    known = evidence.a.arrays(step, "gradients")
    rows = [r for r in evidence.verdict.rows if (r.step, r.phase, r.differs) == (step, "updates", False)]
    pasts: Iterator[History] = (history(evidence.a, step, row.name) for row in rows if row.name in known)
    decays = (rule.decay for past in pasts for rule in rules(past, close=evidence.close))
    return any(isclose(each, decay, rel_tol=1e-6) for each in decays)


ENTRY = Entry(
    name="decay-by-name",
    title="Weight decay: weights that are left out by their names",
    torch='AdamW decays all parameters of a group; scripts leave out ["bias", "LayerNorm.weight"], which fits BERT and '
    "misses GPT-2's ln_1.weight and torchvision's norms",
    tf='optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"]) matches parts of paths, so a layer '
    "called bias_net is left out whole",
    why="biases and norms have no direction that decay would shorten; which they are is told by the kind of the layer, "
    "and names are what scripts had at hand",
    shows="LayerNorm's weights shrink by lr * decay a step on one side, by 1 % in 1000 steps at 1e-3 and 0.01",
    mend_torch="two groups by isinstance(module, nn.LayerNorm) and by leaf name bias, not by lists",
    mend_tf="exclude_from_weight_decay(var_list=[...]) with the variables of keras.layers.LayerNormalization",
    probe=probe,
)
