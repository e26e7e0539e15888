"""The catalogue of differences between the frameworks: each taught, tested and diagnosed from one entry.

A file an entry: text and a probe in NumPy. The pair of programs that shows it is in examples/differences/NAME.
"""

from ft.differences import batchnorm_variance, learning_rate_float32, padding
from ft.errors import RecipeError, unknown
from ft.evidence import Entry, Evidence, Finding

__all__ = ["ENTRIES", "Entry", "Evidence", "Finding", "diagnose", "find_entry"]

MODULES = (
    batchnorm_variance,
    learning_rate_float32,
    padding,
)
ENTRIES = {module.ENTRY.name: module.ENTRY for module in MODULES}


def find_entry(name: str) -> Entry:
    """Return the entry called `name`."""
    if name not in ENTRIES:
        raise RecipeError(unknown("difference", name, ENTRIES))
    return ENTRIES[name]


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return what explains the differences, the first place of each cause, in the order of computation."""
    if evidence.verdict.first is None:
        return []
    places = {(row.step, row.phase, row.name): i for i, row in enumerate(evidence.verdict.rows)}
    found = [finding for entry in ENTRIES.values() for finding in entry.probe(evidence)]
    found.sort(key=lambda finding: places.get((finding.step, finding.phase, finding.name), len(places)))
    firsts: dict[str, Finding] = {}
    for finding in found:
        firsts.setdefault(finding.entry, finding)
    return list(firsts.values())
