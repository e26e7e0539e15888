"""The name of a finding that stays from run to run: by it a difference is accepted."""

from ft.parity.evidence import Finding

UNEXPLAINED = "unexplained"  # the entry of a finding whose cause is not in the catalogue
UNKNOWN = "operation"  # that of an operation that no family knows
NAMELESS = (UNEXPLAINED, UNKNOWN)  # what says nothing without a place
OUTPUTS = ("inference", "forward")  # one place, whichever pass shows it


def finding_id(finding: Finding) -> str:
    """Return "batchnorm-eps@layer1.0.bn1": what it is, at which layer or tensor; the step is no part of it.

    Of several operations of a layer it says which: "activation@head/gelu.2", the second of that name.
    """
    named = finding.entry != UNEXPLAINED or finding.phase in OUTPUTS
    place = finding.name if named else f"{finding.phase}/{finding.name}"
    return f"{finding.entry}@{place}" + (f"/{finding.part}" if finding.part else "")


def covers(given: str, finding: Finding) -> bool:
    """Tell whether `given` means a finding: by its id, or by its entry, which means it everywhere."""
    return given == finding_id(finding) or (given == finding.entry and given not in NAMELESS)
